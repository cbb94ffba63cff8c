"""People: user names, and passwords at rest as argon2id (RFC 9106 §4, second recommended option; NIST SP 800-63B).

Everything here is synchronous. `hash_password` and `check_password` each take tens of milliseconds, 64 MiB and four
threads: call them in a worker thread, a few at a time, and never inside a store transaction, which may run twice.
When `check_password` brings a new hash, store it only while the old one is still there, so that it cannot undo a
change of password that happened meanwhile:

    current = tx.users.get(user.subject)
    if current and current.password_hash == user.password_hash:
        tx.users.put(replace(current, password_hash=checked.rehash))

Who disables or removes a person also ends their sessions and families, in the same transaction.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import dataclass
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY as COST

from issuer.model import SUBJECT_MARK, User

SHORTEST, ADVISED, LONGEST = 8, 15, 256

_HASHER = PasswordHasher.from_parameters(COST)
# A hash nobody has the password of, at the price of a real one: what an unknown user is checked against.
_NOBODY = (
    f"$argon2id$v={COST.version}$m={COST.memory_cost},t={COST.time_cost},p={COST.parallelism}"
    f"${'A' * (-(-COST.salt_len * 4 // 3))}${'A' * (-(-COST.hash_len * 4 // 3))}"
)
_USERNAME = re.compile(r"[a-z0-9._@+-]{1,64}")
_UNMISTAKABLE = "abcdefghjkmnpqrstuvwxyz23456789"

# What is guessed first, of all that is long enough; `_is_pattern` knows the repetitive ones.
_GUESSED_FIRST = """
    password password1 password12 password123 password1234 passw0rd p@ssw0rd p@ssword pa$$word mypassword yourpassword
    newpassword changeme changeme1 changeme123 changeit letmein1 letmein123 welcome1 welcome12 welcome123 whatever
    qwertyui qwertyuiop qwerty12 qwerty123 qwerty1234 1qaz2wsx 1q2w3e4r 1q2w3e4r5t q1w2e3r4 qazwsxedc asdfghjk asdfghjkl
    zxcvbnm1 zxcvbnm123 abcdefgh abcd1234 abc12345 abc123456 a1b2c3d4 aa123456 test1234 testtest testing123 admin123
    admin1234 administrator rootroot root1234 superuser iloveyou iloveyou1 sunshine princess football baseball superman
    batman123 trustno1 starwars dragon123 monkey123 shadow123 master123 michelle jennifer computer internet corvette
    samsung1 google123 default1 guest123 secret123 topsecret hunter22 correcthorsebatterystaple
"""
_COMMON = frozenset(_GUESSED_FIRST.split())


class PersonError(ValueError):
    """A name, address or password that cannot be taken. The message says why and what to do, and repeats none."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of checking a password. `rehash`: the parameters have changed since, store this hash instead."""

    ok: bool
    rehash: str | None = None


def normal_username(text: str) -> str:
    """The one spelling of a user name that is stored and looked up: NFKC, case folded. Raises PersonError."""
    username = unicodedata.normalize("NFKC", text).casefold()
    if not _USERNAME.fullmatch(username):
        raise PersonError("a user name has 1 to 64 characters of a-z 0-9 . _ @ + -")
    return username


def new_user(
    username: str, *, now: int, password: str | None = None, name: str | None = None, email: str | None = None
) -> User:
    """A person with a subject of their own: random, so that tokens neither tell nor reuse a user name, and
    marked, so that no client's id can equal it.

    Without a password nobody can sign in as them by password. Raises PersonError.
    """
    username = normal_username(username)
    if name is not None and not (0 < len(name) <= 80 and name.isprintable() and name == name.strip()):
        raise PersonError("a name has 1 to 80 printable characters and no blank at either end")
    if email is not None and not (len(email) <= 254 and re.fullmatch(r"[^\s@<>]+@[^\s@<>]+", email)):
        raise PersonError("an e-mail address has one @ with something before and after it, and no blank")
    return User(
        subject=SUBJECT_MARK + secrets.token_urlsafe(16),
        username=username,
        created_at=now,
        password_hash=None if password is None else hash_password(password, username=username),
        name=name,
        email=email,
    )


def hash_password(password: str, *, username: str) -> str:
    """The hash to store. Length and lists decide, never a mix of characters (NIST SP 800-63B §3.1.1.2).

    Raises PersonError for a password that is too short, too long or among the first that anybody would guess.
    """
    text = unicodedata.normalize("NFKC", password)
    if len(text) < SHORTEST:
        raise PersonError(f"a password has at least {SHORTEST} characters; {ADVISED} or more are better")
    if len(text) > LONGEST:
        raise PersonError(f"a password has at most {LONGEST} characters")
    plain = text.casefold()
    rest = plain.replace(username, "") if len(username) > 2 else plain
    if plain in _COMMON or len(rest) < SHORTEST // 2 or _is_pattern(plain):
        raise PersonError("this password is among the first that anybody would guess: choose another")
    return _HASHER.hash(_bytes(password))


def check_password(user: User | None, password: str) -> Checked:
    """Whether this is the person's password. It takes as long for nobody, for a disabled one and for a wrong one."""
    usable = user is not None and not user.disabled and user.password_hash is not None
    stored = user.password_hash if user is not None and user.password_hash is not None else _NOBODY
    try:
        _HASHER.verify(stored, _bytes(password))
    except (VerificationError, InvalidHashError):
        return Checked(False)
    if not usable:
        return Checked(False)
    return Checked(True, _HASHER.hash(_bytes(password)) if _HASHER.check_needs_rehash(stored) else None)


def generate_password() -> str:
    """A password to print once: 99 bits, in groups that can be read out and typed."""
    return "-".join("".join(secrets.choice(_UNMISTAKABLE) for _ in range(5)) for _ in range(4))


def _bytes(password: str) -> bytes:
    # surrogatepass: whatever was typed is hashed or refused as wrong, and never an error
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def _is_pattern(text: str) -> bool:
    """A few characters again and again (aaaaaaaa, abcabcabc), or one after another (12345678, hgfedcba)."""
    steps = {ord(b) - ord(a) for a, b in pairwise(text)}
    repeated = text in (text + text)[1:-1] and len(set(text)) <= 4
    return repeated or steps in ({1}, {-1}) or text in ("1234567890", "0123456789", "9876543210", "0987654321")
