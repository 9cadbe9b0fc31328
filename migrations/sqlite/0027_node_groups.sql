-- Which machine of a group of nodes a run belongs to. NULL: to the entry alone.
ALTER TABLE run ADD COLUMN machine TEXT;
