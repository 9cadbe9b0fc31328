-- Brokers that share one log. NULL: of a broker that shares it with nobody.
ALTER TABLE authority ADD COLUMN replica TEXT;  -- who has the key
ALTER TABLE step ADD COLUMN keeper TEXT;        -- who ends the step when nobody holds it, or its executor is gone
