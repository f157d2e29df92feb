"""Prints the qualitative evaluations of a TID 1500 report and its figures as highdicom reads them, a line each."""

import sys

import highdicom

for group in highdicom.sr.srread(sys.argv[1]).content.get_image_measurement_groups():
    for said in group.get_qualitative_evaluations():
        code = said.value
        print(group.tracking_identifier, "|", said.name.value, "|", code.value, code.scheme_designator, code.meaning)
    for number in group.get_measurements():
        print(group.tracking_identifier, "|", number.name.value, "|", f"{float(number.value):.3f}", number.unit.value)
