#!/usr/bin/python3
"""Writes golden.txt: blocks as other people's libraries make them (hashlib, python3-snappy, python3-cryptography).

Each line: secret (hex or -), plain (hex), id, key, stored bytes (hex). Run by hand: python3 make_golden.py > golden.txt
"""
import hashlib

import snappy
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def blake(data, key=b""):
    return hashlib.blake2b(data, digest_size=32, key=key).digest()


def line(plain, secret=None):
    key = blake(plain)
    if secret is not None:
        key = blake(key, secret)
    stored = AESGCM(key).encrypt(key[:12], snappy.compress(plain), None)
    return " ".join([secret.hex() if secret else "-", plain.hex(), blake(stored).hex(), key.hex(), stored.hex()])


text = b"It starts before it is downloaded. " * 12
secret = bytes(range(32))
for plain in (b"x", bytes(range(256)), text):
    print(line(plain))
    print(line(plain, secret))
