"""Recognizes messages without a fact, without a model: greetings, thanks, assent and bare questions. Pure.

Any part that is not on the list goes to the model: a call in vain costs little, a message held back may be a lost fact.
"""

import unicodedata

# Greetings, then thanks, assent and bare questions, each in several languages.
PHRASES_TEXT = """
hi; hello; hey; hi there; hello there; hey there; hiya; good morning; good afternoon; good evening; good night;
morning; bye; goodbye; bye bye; see you; see you later; see you soon; see you tomorrow; take care; have a nice day;
have a good day; how are you; how are you doing; how's it going; what's up; are you there; nice to meet you; hallo;
guten morgen; guten tag; guten abend; gute nacht; moin; servus; grüezi; tschüss; auf wiedersehen; bis bald; bis später;
wie geht's; wie geht es dir; bonjour; bonsoir; salut; coucou; bonne nuit; au revoir; à bientôt; ça va; comment ça va;
hola; buenos días; buenas tardes; buenas noches; adiós; hasta luego; qué tal; ciao; buongiorno; buonasera; buonanotte;
arrivederci; come stai; olá; oi; bom dia; boa tarde; boa noite; tchau; até logo; hoi; goedemorgen; goedenavond; dag;
tot ziens; hej; hejdå; god morgon; cześć; dzień dobry; do widzenia; привет; здравствуйте; добрый день; пока;
до свидания; merhaba; günaydın; こんにちは; おはよう; おはようございます; こんばんは; さようなら; 你好; 您好; 早上好;
晚上好; 再见; 안녕하세요; 안녕; नमस्ते; thanks; thank you; thx; ty; cheers; many thanks; thanks a lot;
thank you so much; thank you very much; thanks so much; thanks again; thanks for your help; thank you for your help;
much appreciated; please; sorry; you're welcome; no worries; no problem; danke; danke schön; dankeschön; vielen dank;
herzlichen dank; danke dir; bitte; bitte schön; entschuldigung; merci; merci beaucoup; merci bien; s'il te plaît;
s'il vous plaît; pardon; gracias; muchas gracias; por favor; perdón; grazie; grazie mille; per favore; prego; scusa;
obrigado; obrigada; muito obrigado; muito obrigada; dank je; dank je wel; bedankt; alsjeblieft; tack; tack så mycket;
dziękuję; dzięki; proszę; спасибо; большое спасибо; пожалуйста; teşekkürler; teşekkür ederim; ありがとう;
ありがとうございます; 谢谢; 謝謝; 谢谢你; 감사합니다; 고마워요; धन्यवाद; yes; yeah; yep; yup; sure; of course; ok;
okay; k; kk; alright; all right; right; correct; exactly; true; fine; great; good; cool; nice; perfect; awesome;
amazing; wonderful; excellent; lovely; brilliant; super; fantastic; interesting; wow; oh; ah; aha; hm; hmm; lol; haha;
no; nope; nah; maybe; perhaps; not really; not yet; got it; understood; i see; makes sense; sounds good; that's great;
that's fine; that's good; good idea; great idea; go on; go ahead; continue; next; more; done; ready; never mind;
nevermind; well done; good job; ja; jo; jawohl; nein; vielleicht; genau; stimmt; gut; sehr gut; alles klar; klar;
in ordnung; verstanden; weiter; oui; non; d'accord; bien; très bien; parfait; peut-être; compris; sí; si; vale; bueno;
muy bien; claro; perfecto; quizás; sì; va bene; bene; certo; perfetto; forse; capito; sim; não; tá bom; perfeito;
talvez; nee; goed; prima; misschien; nej; bra; tak; nie; dobrze; да; нет; хорошо; ладно; понятно; evet; hayır; tamam;
はい; いいえ; わかりました; 是; 是的; 不是; 好; 好的; 知道了; 네; 아니요; हाँ; what; why; how; when; where; who; which;
really; why not; how come; how so; what else; anything else; what now; what next; and then; and now; so what;
what do you mean; can you explain; can you help; can you help me; help; help me; say that again; come again; was;
warum; wieso; weshalb; wie; wann; wo; wer; wirklich; echt; und dann; was noch; hilfe; quoi; pourquoi; comment; quand;
où; qui; vraiment; et alors; qué; por qué; cómo; cuándo; dónde; quién; de verdad; che; perché; come; quando; dove; chi;
davvero; o quê; por quê; como; onde; quem; sério; wat; waarom; hoe; что; почему; как; когда; где; кто; правда; なぜ;
什么; 为什么; 怎么; 왜
"""
MAX_SMALL_TALK = 200  # characters


def is_small_talk(text: str) -> bool:
    """Whether every part of the message is on the list; marks and emoji alone are no part."""
    return len(text) <= MAX_SMALL_TALK and all(part in PHRASES for part in _parts_of(text))


def _parts_of(text: str) -> list[str]:
    """The text between marks and symbols, in lower case: "Hi! Thank you 🙏" -> ["hi", "thank you"]."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    kept = (char if char in " '-\t" or unicodedata.category(char)[0] in "LMN" else "\n" for char in folded)
    parts = "".join(kept).splitlines()
    return [" ".join(part.split()) for part in parts if any(unicodedata.category(char)[0] in "LN" for char in part)]


PHRASES = frozenset(_parts_of(PHRASES_TEXT))
