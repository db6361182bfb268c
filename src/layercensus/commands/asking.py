"""An engine whose questions show as progress: a report of a large lake, or one on Spark, takes many seconds.

Nothing is asked here that the engine behind it would not be asked.
"""

from collections.abc import Callable
from dataclasses import dataclass

from layercensus.report.answer_values import Answering


@dataclass(slots=True)
class ToldEngine:
    """Answers as the engine behind it; `tell` gets the name of each question, and how many were asked before."""

    engine: Answering
    tell: Callable[[str, int], None]
    asked: int = 0

    def ask(self, question: str, **parameters: str) -> list[dict[str, object]]:
        """Answer one question."""
        self.tell(question, self.asked)
        self.asked += 1
        return self.engine.ask(question, **parameters)
