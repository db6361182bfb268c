"""Words that several commands put into their summaries. Pure."""


def counted(count: int, noun: str) -> str:
    """`1 machine`, `2 machines`, `2 files that are …`: the first word takes the plural."""
    first, blank, rest = noun.partition(" ")
    return f"{count} {first}{'' if count == 1 else 's'}{blank}{rest}"
