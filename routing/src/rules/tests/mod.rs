//! What the rule language promises, as tables of small rule files.
