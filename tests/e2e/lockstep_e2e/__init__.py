"""Drivers for end-to-end tests of Lockstep: raw wire clients, kernel clients in a guest, the server."""
