"""Verbs that count words, and do something wrong."""

from dataclasses import dataclass, field

from faceport.verb import Verb


@dataclass(frozen=True)
class Words:
    """What to count."""

    words: list[str] = field(default_factory=list)


def card(name, **differing):
    return {
        "summary": "Counts words",
        "words": "words",
        "harmless": ["a", "b"],
        "help": f"faceport faulty_{name} WORD ...\n",
        **differing,
    }


class Good(Verb):
    caught_by = ()
    Options = Words
    card = card("Good")

    def act(self, config):
        return len(self.options.words)

    def show(self, outcome):
        print(outcome)
        return 0


class PrintsWhileActing(Good):
    caught_by = ("test_acting_prints_nothing",)
    card = card("PrintsWhileActing")

    def act(self, config):
        print("counting")
        return super().act(config)


class GivesNoExitCode(Good):
    caught_by = ("test_acting_prints_nothing",)
    card = card("GivesNoExitCode")

    def show(self, outcome):
        print(outcome)


class HelpsWithAnother(Good):
    caught_by = ("test_help_begins_with_how_it_is_called",)
    card = card("run")


class SendsWordsNowhere(Good):
    caught_by = ("test_words_go_to_an_option_of_its_own",)
    card = card("SendsWordsNowhere", words="names", harmless=None)
