-- In what the report of a job tells where a finding is: in pixels of the images, or in mm of the patient.
ALTER TABLE jobs ADD COLUMN regions TEXT NOT NULL DEFAULT 'images';
