"""The tests of pax."""
