"""The pages of people who call: their own keys at /keys/, their own use at /usage/."""
