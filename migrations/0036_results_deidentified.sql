-- The profile by which the results of a job leave without the patient, where its rule names one.
ALTER TABLE jobs ADD COLUMN deidentify TEXT;
