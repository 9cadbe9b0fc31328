CREATE ROLE stint LOGIN PASSWORD 'one of your own';
CREATE DATABASE stint OWNER stint;
