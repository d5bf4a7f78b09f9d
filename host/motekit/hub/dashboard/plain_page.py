"""Pages that need no JavaScript: the login, and an address that does not exist."""

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title} · Mote</title>
<style>:root{{color-scheme:light dark;font:16px system-ui,sans-serif}}
body{{display:grid;min-height:95vh;place-items:center;margin:0}}
main{{width:min(20rem,85vw)}}label{{display:block;margin:1rem 0 .3rem;font-weight:600}}
input,button{{font:inherit;width:100%;box-sizing:border-box;padding:.7rem;border-radius:.6rem;
border:1px solid #8a9}}button{{margin-top:1rem;background:#0f7a54;color:#fff;border:0;
font-weight:600}}p{{opacity:.75;font-size:.9rem}}.bad{{color:#c33;opacity:1}}</style>
<main><h1>{title}</h1>{content}</main>
"""


def plain_page(title: str, content: str) -> str:
    """A page; both parts are HTML."""
    return _PAGE.format(title=title, content=content)
