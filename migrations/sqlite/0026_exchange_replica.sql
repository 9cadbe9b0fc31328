-- Brokers that share one log. NULL: of a broker that shares it with nobody.
ALTER TABLE exchange ADD COLUMN replica TEXT;  -- who has what is needed to end the secret
