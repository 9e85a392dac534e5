"""Words that come before the number of an identity document, and the forms of some numbers, by country. Pure."""

from collections.abc import Collection, Iterator

# By ISO 3166, without accents and in lower case; below "": of no country in particular.
NAMES = {
    "": r"(?:passport|national id|id card|identity card|driver'?s? licen[cs]e|tax(?:payer)?(?: id)?|health insurance)"
    r" (?:number|no|nr|id)|passport(?: number)? is|паспорт|номер паспорта|reisepassnummer|numero de pasa?porte?"
    r"|numero de passeport",
    "us": r"ssn|social security(?: number)?|social(?= (?:is|number))|medicare (?:number|no|id)",
    "gb": "(?:ni|national insurance|nhs) (?:number|no)|social insurance(?: number)?",
    "de": "steuer-?(?:id|nummer|identifikationsnummer)|(?:personal)?ausweisnummer|sozialversicherungsnummer",
    "fr": "numero de (?:securite sociale|secu)",
    "es": "(?:dni|nie|nif)(?= ?(?:es|is|:))",  # "dni" is "days" in Polish, and "nie" "never" in German
    "pt": "(?:nif|numero de contribuinte)(?= ?(?:e|is|:))",
    "it": "codice fiscale",
    "br": "cpf|cnpj",
    "mx": "curp",
    "nl": "bsn|burgerservicenummer",
    "pl": "pesel",
    "se": "personnummer",
    "cz": "rodne cislo",
    "ru": "снилс|инн",
    "tr": "tc kimlik(?: no)?",
    "in": "aadhaar(?: number)?",
    "cn": "身份证号?码?",
    "jp": "マイナンバー",
    "kr": "주민등록번호",
}
SHAPES = {
    "us": r"(?<![\d-])(?!000|666)\d{3}-\d\d-\d{4}(?![\d-])",
    "es": r"\b(?:dni|nie|nif)\W{0,3}(?:\d{8}|[xyz]-?\d{7})-?[a-z]\b",
    "it": r"\b[a-z]{6}\d{2}[a-z]\d{2}[a-z]\d{3}[a-z]\b",
}
COUNTRIES = frozenset(NAMES) - {""}


def countries_of(text: str) -> frozenset[str]:
    """The countries of the setting: "all", "none", or some, as in "us, de". Raises ValueError."""
    if text in ("all", "none"):
        return COUNTRIES if text == "all" else frozenset()
    countries = frozenset(part.strip() for part in text.split(","))
    if unknown := countries - COUNTRIES:
        known = ", ".join(sorted(COUNTRIES))
        raise ValueError(f"{', '.join(sorted(unknown))} unknown: write all, none, or some of {known}")
    return countries


def identity_forms(countries: Collection[str], value: str) -> Iterator[str]:
    """The regular expressions of what these countries' numbers look like; `value` is that of what follows a name."""
    if countries:
        names = "|".join(names for country, names in NAMES.items() if country in countries or not country)
        yield rf"\b(?:{names})(?!\w)\.?{value}"
        yield from (shape for country, shape in SHAPES.items() if country in countries)
