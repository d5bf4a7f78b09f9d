"""What a sent form, an installer and the end of a trial do. Loaded for each, and forgotten."""

from mote import config, contract, failure, log
from mote.failure import Failure
from mote.portal import fields, http
from mote.portal.site import FAILED, FORM, SAVED, TRYING

_FOREIGN = (
    "<!doctype html><html lang=en><title>Mote</title><p>This request did not come from the page of "
    "the board, and nothing was changed. <a href='%s'>Open the page of the board</a>."
)


def answer(site, request):
    """Do what a form asks for, and return the Response to it.

    Or a page to show, a tuple: what is wrong by field, its status, its fields, and whether the form
    is one of another opening of the portal. Or an empty list: what was entered is to be read,
    checked and given to `conclude`; each step takes the memory of the one before.
    """
    if not _has_own_origin(request):
        return http.Response(_FOREIGN % request.base, 403)
    if b"token=" + site.token.encode() not in request.body.split(b"&"):
        return _ask_again(site, request)
    path = request.path
    if path == "/save":
        if site.state in (TRYING, SAVED):
            return http.redirect(request.base + "progress")
        return []
    if path == "/save-anyway":
        if site.state == FAILED and site.can_save:
            store(site)
        return http.redirect(request.base + "progress")
    if path == "/edit" and site.state == FAILED:
        site.state = FORM
    elif path == "/scan" and site.state != TRYING:
        site.networks = site.board.scan()
    elif path == "/start":
        site.board.start_once_more()
    return http.redirect(request.base)


def conclude(site, request, faults, document, needless, refused):
    """As `answer`, for what was entered; `faults` of the document are (path, text)."""
    if faults:
        from mote.portal import form

        faults = form.faults_by_field(faults)
    elif refused:
        faults = {"mqtt_password": refused}
    if needless:
        faults = dict(faults, password=fields.NO_PASSWORD)
    if not faults:
        site.begin(document)
        return http.redirect(request.base + "progress")
    log.info("setup: entries refused: %s" % ", ".join(sorted(faults)))
    if not refused and not any(name in faults for name in fields.SECRETS):
        site.document = document
    site.state = FORM
    return faults, 422


def try_network(site, put_first):
    """Do `Site.try_network`."""
    if site.state in (TRYING, SAVED):
        return False
    # On a new board what a phone entered counts, if it is a document. Where there are settings it
    # may be a stranger's, of whom the person at the cable knows nothing.
    for base in (site.known,) if site.known or not site.document else (site.document, None):
        document = put_first(base)
        if not fields.faults_of(document):
            break
    else:
        return False
    first = document["wifi"][0]
    if first.get("password") and site.is_open(first["ssid"]):
        return False
    site.fields = fields.entries(document)
    site.begin(document, True)
    return True


def store(site):
    """Save the document of `site`; what prevents that becomes its failure."""
    try:
        config.save(site.document)
        # What a person saved must not make room for what was there before a probation.
        config.keep()
    except OSError as error:
        site.failed_with(Failure(failure.FLASH, "errno %s" % error.errno))
        return
    except config.ConfigError as error:
        # What a trial found in the network is checked where it enters: this is the last net.
        log.error("setup: not saved: %s" % error)
        site.failed_with(Failure(failure.NO_SERVER))
        return
    site.failure = None
    site.state = SAVED
    log.info(contract.LOG_SAVED)


def _ask_again(site, request):
    """The page once more, with nothing done: the form was one of another opening.

    What was entered is shown, and not kept: anybody may have sent it.
    """
    shown = site.fields
    if request.path == "/save" and site.state not in (TRYING, SAVED):
        site.state = FORM
        from mote.portal import form

        shown = form.shown_again(request.body, shown)
    return (), 403, shown, True


def _has_own_origin(request):
    """A page of someone else must not post into the portal of a board (RFC 6454).

    "null" is the origin of a frame in a sandbox, which may hold the page of anybody.
    """
    origin = request.headers.get("origin")
    return not origin or origin == "http://" + request.headers.get("host", "")
