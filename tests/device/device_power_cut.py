"""Saving the configuration survives a power cut at every flash operation."""

import cut_scenarios


def survives(scenario):
    cuts = 0
    wrong = []
    for *cut, fault in scenario.faults():
        cuts += 1
        if fault:
            wrong.append((cut, fault))
    assert cuts and not wrong, "%d of %d cuts: %s" % (len(wrong), cuts, wrong[:5])


def test_the_first_document():
    survives(cut_scenarios.first())


def test_a_small_document_becomes_big():
    survives(cut_scenarios.grows())


def test_a_big_document_becomes_small():
    survives(cut_scenarios.shrinks())


def test_the_same_document_again():
    survives(cut_scenarios.same())


def test_beside_the_remains_of_an_earlier_cut():
    survives(cut_scenarios.after_a_cut())


def test_when_the_directory_moves_to_its_other_sector():
    survives(cut_scenarios.directory_full())


def test_across_two_parts_of_a_long_directory():
    survives(cut_scenarios.directory_long())


def test_on_an_almost_full_flash():
    survives(cut_scenarios.almost_full())


def test_on_a_flash_that_is_too_full():
    survives(cut_scenarios.too_full())


def test_erasing():
    survives(cut_scenarios.erased())


def test_erasing_beside_the_remains_of_an_earlier_cut():
    survives(cut_scenarios.erased_after_a_cut())


def test_a_change_that_is_not_safe_is_found():
    faults = [fault for *_, fault in cut_scenarios.removed_first().faults()]
    assert any(faults) and not all(faults), faults
