"""dicom-validator without its download of PS3.3: the tables of modules that highdicom carries take the place.

Reads a path a line, answers with a line for each fault (module: where: what) and an empty one.
They have no conditions and flatten macros: what is conditional may be absent, and of functional groups and
content items only the outermost sequence is looked at.
"""

import importlib.util
import json
import logging
import pathlib
import sys

from dicom_validator.validator.dicom_file_validator import DicomFileValidator
from dicom_validator.validator.dicom_info import DicomInfo
from dicom_validator.validator.error_handler import NullValidationResultHandler
from dicom_validator.validator.validation_result import Status
from pydicom.datadict import DicomDictionary, keyword_for_tag, tag_for_keyword

# One list for all kinds of content item (PS3.3 C.17.3): these two are of the document's own root, a CONTAINER.
OF_ROOT = ("ValueType", "ContinuityOfContent")
OF_ITEMS = ("sr-document-content", "sr-document-relationship")


def written(tag):
    """As the validator's own tables write a tag."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def module(name, attributes):
    """A module, its attributes by tag and those of items below their sequence."""
    whole = {}
    for attribute in attributes:
        keyword, kind = attribute["keyword"], attribute["type"]
        if attribute["path"] and (name in OF_ITEMS or name.endswith("functional-groups")):
            continue
        if name in OF_ITEMS and keyword not in OF_ROOT:
            kind = "3"
        tags = [tag_for_keyword(word) for word in [*attribute["path"], keyword]]
        if None in tags:
            continue
        level = whole
        for sequence in tags[:-1]:
            level = level[written(sequence)].setdefault("items", {})
        level.setdefault(written(tags[-1]), {}).update(type=kind)
    return whole


def tables():
    """Classes and their modules, for the validator."""
    package = importlib.util.find_spec("highdicom").submodule_search_locations[0]

    def table(name):
        return json.loads((pathlib.Path(package) / "_standard" / name).read_text())

    modules = table("module_attribute_map.json")
    of_iods = {
        iod: {part["key"]: {"ref": part["key"], "use": part["usage"]} for part in parts}
        for iod, parts in table("iod_module_map.json").items()
    }
    classes = {
        uid: {"title": iod, "modules": of_iods[iod], "group_macros": {}}
        for uid, iod in table("sop_class_iod_map.json").items()
        if iod in of_iods
    }
    names = {
        written(tag): {"name": name, "vr": vr, "vm": vm, "prop": retired}
        for tag, (vr, vm, name, retired, _) in DicomDictionary.items()
    }
    return DicomInfo(names, classes, {name: module(name, rows) for name, rows in modules.items()})


def faults(result):
    """Everything that was found in a file, a line each."""
    if result.status not in (Status.Passed, Status.Failed):
        yield f"file: {result.sop_class_uid}: {result.status.name}"
    for name, errors in result.module_errors.items():
        for tag, error in errors.items():
            way = "/".join(keyword_for_tag(step) or str(step) for step in [*(tag.parents or []), tag.tag])
            yield f"{name}: {way}: {error.code.name}"


def main():
    logging.disable()
    validator = DicomFileValidator(tables(), error_handler=NullValidationResultHandler())
    for line in sys.stdin:
        for result in validator.validate(line.rstrip("\n")).values():
            for fault in faults(result):
                print(fault)
        print(flush=True)


main()
