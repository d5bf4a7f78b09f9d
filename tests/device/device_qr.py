from mote import qr

OPEN = "WIFI:T:nopass;S:IOT_240AC4000010;;"
QUIET = 2


def raised(text):
    try:
        qr.matrix(text)
    except ValueError:
        return True
    return False


def light(text):
    """The modules as painted on the terminal: rows of True (light) and False (dark)."""
    rows = []
    for line in qr.lines(text):
        rows.append([character in "▀█" for character in line])
        rows.append([character in "▄█" for character in line])
    return rows


def test_the_limit_is_53_bytes_of_utf_8():
    assert len(qr.matrix("x" * 53)) == 29
    assert raised("x" * 54)
    assert not raised("é" * 26 + "x")
    assert raised("é" * 27), "27 characters, but 54 bytes"


def test_every_module_is_0_or_1_in_29_rows_of_29():
    for text in ("", OPEN, "x" * 53):
        rows = qr.matrix(text)
        assert [len(row) for row in rows] == [29] * 29
        assert all(module in (0, 1) for row in rows for module in row)


def test_an_open_network_has_no_password_part():
    assert qr.wifi("IOT_240AC4000010") == OPEN
    assert qr.wifi("home", "12345678") == "WIFI:T:WPA;S:home;P:12345678;;"


def test_characters_with_a_meaning_are_escaped_once():
    assert qr.wifi('a\\b;c,d:e"f') == 'WIFI:T:nopass;S:a\\\\b\\;c\\,d\\:e\\"f;;'
    assert qr.wifi("x", "\\;") == "WIFI:T:WPA;S:x;P:\\\\\\;;;"


def test_17_lines_of_33_characters():
    assert [len(line) for line in qr.lines(OPEN)] == [33] * 17
    assert all(character in " ▀▄█" for line in qr.lines(OPEN) for character in line)


def test_the_quiet_zone_is_light_on_all_four_sides():
    rows = light(OPEN)
    for i in range(QUIET):
        assert all(rows[i]) and all(rows[QUIET + 29 + i]), i
        assert all(row[i] and row[QUIET + 29 + i] for row in rows), i


def test_within_the_quiet_zone_light_is_what_the_matrix_leaves_white():
    rows = light(OPEN)
    for down, row in enumerate(qr.matrix(OPEN)):
        painted = rows[QUIET + down][QUIET : QUIET + 29]
        assert painted == [not module for module in row], down
