"""Names of keys: which there are, how long their values, what else they are called, and which follow from which."""

from __future__ import annotations

import re

__all__ = ["CHAINS", "KINDS", "OPTIONAL", "SIZES", "canonical", "chain", "family", "inputs", "is_rights_id"]

KINDS = ("application", "ocean", "system")
"""What key-area key indices 0, 1 and 2 are called in key names."""

SIZES: dict[str, int] = {
    name: size
    for size, names in (
        (16, "aes_kek_generation_source aes_key_generation_source header_kek_source titlekek_source package2_key_source"),
        (16, "master_key_source mariko_kek mariko_master_kek_source_XX master_kek_XX master_key_XX"),
        (16, "titlekek_XX package1_key_XX package2_key_XX xci_header_key xci_header_key_XX xci_t1_titlekey_kek_XX"),
        (16, " ".join(f"key_area_key_{kind}_source key_area_key_{kind}_XX key_area_hw_key_{kind}_XX" for kind in KINDS)),
        (16, "sd_seed sd_card_kek_source save_mac_kek_source save_mac_key_source_XX save_mac_key_XX"),
        (16, "save_mac_sd_card_kek_source save_mac_sd_card_key_source save_mac_sd_card_key bis_kek_source"),
        (16, "device_key per_console_key_source retail_specific_aes_key_source secure_boot_key tsec_key"),
        (16, "keyblob_key_XX keyblob_mac_key_XX eticket_rsa_kek ssl_rsa_kek"),
        (32, "header_key header_key_source bis_key_source_XX bis_key_XX"),
        (32, " ".join(f"sd_card_{kind}_key_source sd_card_{kind}_key" for kind in ("save", "nca", "custom_storage"))),
        (0x90, "keyblob_XX"),
        (0xB0, "encrypted_keyblob_XX"),
        (0x100, "nca_header_sign_key_XX_modulus acid_sign_key_XX_modulus xci_header_sign_key_modulus package2_sign_key_modulus"),
        (0x100, "nca_header_sign_key_XX_private acid_sign_key_XX_private xci_header_sign_key_private package2_sign_key_private"),
        (0x100, "beta_nca0_modulus beta_nca0_exponent"),
        (0x200, "pki_root_sign_key_modulus pki_root_sign_key_private"),
        (0x210, "eticket_rsa_keypair"),
    )
    for name in names.split()
}
"""Size in bytes of every key there is; XX stands for two hexadecimal digits."""

# Other programs' spellings of the same keys: beginnings of names, the longer first, and whole names.
_PREFIXES = (
    ("nca_key_area_key_hw_", "key_area_hw_key_"),
    ("nca_key_area_key_", "key_area_key_"),
    ("nca_body_keak_", "key_area_key_"),
    ("nca_header_key", "header_key"),
    ("nca_header_kek_", "header_kek_"),
    ("ticket_commonkey_", "titlekek_"),
    ("xci_initial_data_kek_", "xci_t1_titlekey_kek_"),
    ("header_sign_key_", "nca_header_sign_key_"),
)
_SYNONYMS = {
    "xci_header_key_00": "xci_header_key",
    "save_mac_key_source": "save_mac_key_source_00",
    **{f"{kind}_sign_key_{part}": f"{kind}_sign_key_00_{part}" for kind in ("nca_header", "acid") for part in ("modulus", "private")},
}

OPTIONAL = "aes_key_generation_source"
"""The one step of a derivation that is left out where the key is absent."""

_REVISION = re.compile(r"_([0-9a-f]{2})(?=_|\Z)")


def _generated(source: str, revision: str = "XX") -> tuple[str, ...]:
    return (f"master_key_{revision}", "aes_kek_generation_source", source, OPTIONAL)


# How a key follows from others: each decrypts the next (AES-128-ECB), the last result is the key. "a^b" is a XOR b twice over.
CHAINS: dict[str, tuple[str, ...]] = {
    "master_kek_XX": ("mariko_kek", "mariko_master_kek_source_XX"),
    "master_key_XX": ("master_kek_XX", "master_key_source"),
    "titlekek_XX": ("master_key_XX", "titlekek_source"),
    "package2_key_XX": ("master_key_XX", "package2_key_source"),
    "header_key": (*_generated("header_kek_source", "00"), "header_key_source"),
    **{f"key_area_key_{kind}_XX": _generated(f"key_area_key_{kind}_source") for kind in KINDS},
    **{
        f"sd_card_{kind}_key": (*_generated("sd_card_kek_source", "00"), f"sd_card_{kind}_key_source^sd_seed")
        for kind in ("save", "nca", "custom_storage")
    },
}


def canonical(name: str) -> str:
    """Return this project's spelling of a key name.

    Example:
        >>> canonical("NCA_Key_Area_Key_Ocean_0A"), canonical("ticket_commonkey_source")
        ('key_area_key_ocean_0a', 'titlekek_source')
    """
    name = name.strip().lower()
    for theirs, ours in _PREFIXES:
        if name.startswith(theirs):
            name = ours + name[len(theirs) :]
            break
    return _SYNONYMS.get(name, name)


def is_rights_id(text: str) -> bool:
    """Whether this is the name of a title key: 32 hexadecimal digits."""
    return len(text) == 32 and set(text) <= set("0123456789abcdefABCDEF")


def family(name: str) -> tuple[str, str]:
    """Return a canonical name with XX for its revision, and the revision.

    Example:
        >>> family("titlekek_0a"), family("header_key")
        (('titlekek_XX', '0a'), ('header_key', ''))
    """
    found = _REVISION.search(name)
    return (f"{name[: found.start(1)]}XX{name[found.end(1) :]}", found[1]) if found else (name, "")


def chain(name: str) -> tuple[str, ...]:
    """Return the steps that derive a canonical name, ``()`` where nothing does."""
    base, revision = family(name)
    return tuple(step.replace("XX", revision) for step in CHAINS.get(base, ()))


def inputs(name: str) -> list[str]:
    """Return the names of the keys that derive a canonical name, ``[]`` where none do."""
    return [source for step in chain(name) for source in step.split("^")]
