"""Words that show an end, a change, a wish or whom a text is about, in the languages of small_talk.py. Pure.

They are lists, since code has to be certain without a model; what is on none of them replaces nothing.
"""

import re

from memory.facts.content import NUMBERS as CONTENT_NUMBERS
from memory.facts.content import words


def _phrases(spaced: str, unspaced: str = "(?!)") -> re.Pattern[str]:
    """A pattern of whole words and phrases, separated by ";", and of some in scripts without spaces."""
    phrases = "|".join(phrase.strip() for phrase in re.split(r"[;\n]", spaced) if phrase.strip())
    return re.compile(rf"(?<!\w)(?:{phrases})(?!\w)|(?:{unspaced})\S*")


# What says, in a fact or in its quote, that something has ended; that something has changed; that it comes in addition.
END = _phrases(
    r"""
    no longer; not any ?more; any ?more; quit; quits; stopped; no more; gave up; given up; giving up; dropped; sold
    lost; (?:i|we|he|she|they|just|has|have|i've|we've) left; died; dead; passed away; moved out; leaving; my ex; done
    broke up; split up; ended; over; finished; cancell?ed; returned; got rid; came off; fell through; closed
    used to; graduated; no \w+ left; went off; gone right off; none; former; ex; nicht mehr; kein\w* (?:\w+ )?mehr
    aufgehört; verkauft; gekündigt; gestorben; getrennt; geschieden; n(?:e |').{1,20} plus; arrêté; vendu; quitté
    mort; ya no
    dejé; dejado; vend(?:í|ió); murió; divorciad[oa]; non .{1,20} più; smesso; venduto; lasciato; morto; divorziat[oa]
    não .{1,20} mais; parei; vendi; deixei; morreu; divorciei; już nie; przestał\w*; rzucił\w*; sprzedał\w*; больше не
    бросила?; перестала?; уволил\w*; продала?; умер(?:ла)?; artık .{1,40}(?:mıyor|miyor|muyor|müyor|değil)\w*
    bıraktı\w*; sattı\w*; öldü\w*; kaybet\w*; niet meer; geen (?:\w+ )?meer; gestopt; verkocht; opgezegd; overleden
    gescheiden; inte längre; ingen \w+ längre; slutat; slutade; sålt; sålde; avliden; skild
    """,
    "やめ|辞め|売っ|亡くな|死ん|なくな|不再|戒了|卖了|去世|已经不|더 이상|그만|끊었|팔았|죽었|नहीं रह|छोड़ दि"
    "|لم أعد|توقفت|تركت|بعت",
)
CHANGE = _phrases(
    r"""
    moved(?! (?:the|my|our|his|her|their|its?|an?|all)(?!\w))
    for good(?! \w)
    now; nowadays; these days; since; instead; moving; relocated; settled; switched; changed; swapped; traded
    replaced; became; become; joined; back; again; from \w+ on; turned; divorced?; separated
    retired; passed; divorcée?; divorciad[oa]; divorziat[oa]; geschieden; getrennt
    first (?:day|week|shift); started (?:\w+ )?(?:at|as); got (?:the|a) job; signed with; hired; widow\w*; promoted
    made me; my new; started to; changed (?:my|our) minds?; came to; come to; gone (?:down|up) to; down to; up to
    jetzt; inzwischen; mittlerweile; wieder; seit
    gezogen; umgezogen; gewechselt; statt; depuis; desde; sinds; od; verheiratet
    maintenant; désormais; déménagé; à nouveau; ahora; mudad[oa]; mudé; id[oa] a vivir; de nuevo; adesso; ora
    trasferit[oa]; di nuovo; agora; mudei; teraz; przeprowadził\w*; теперь; переехал\w*; сейчас; artık; taşındı\w*
    şimdi; nu; tegenwoordig; verhuisd; gewisseld; numera; flytta(?:t|de); bytt; bytte
    """,
    "今は|始め|引っ越|転職|变|搬|现在|換|换|이사|지금|이제|अब|الآن|انتقل",
)
ALSO = _phrases(
    r"""
    also; too; as well; either; another; one more; an extra; a spare; my other; (?:a|my) second; second one; besides
    the other(?! (?:day|night|week))
    in addition; on the side; in the evenings; at (?:the )?weekends?; abends; am wochenende; auch; außerdem
    noch ein\w*; mein\w* ander\w+; aussi; également; (?:mon|ma) autre
    también; además; tampoco; mi otr[oa]; anche; inoltre; altr[oa]; também; além; outr[oa]; też; również; также; тоже
    ещё; еще; ayrıca
    """,
    "も(?=[^うっ])|也|还|도 ",
)
# What denies; what says that somebody likes or dislikes something.
NEGATION = _phrases(
    r"""
    not; no; never; none; nothing; without; nicht; kein\w*; nie; pas; ne; sin; non; não; sem; bez; не; нет; değil
    \w+n't
    """,
    "ない|不|没|안 |नहीं|لا |ليس",
)
LIKING = _phrases(
    r"""
    likes?; loves?; enjoys?; adores?; mag; liebt; aime; adore; gusta; encanta; piace; ama; adora; gosta
    lubi; kocha; любит; нравится; seviyor
    """,
    "好き|喜欢|喜歡|좋아",
)
DISLIKING = _phrases(
    r"""
    dislikes?; hates?; loathes?; detests?; can't stand; cannot stand; hasst; déteste; odia; detesta; nie znosi
    nienawidzi; ненавидит; nefret
    """,
    "嫌い|苦手|讨厌|討厭|싫어",
)
# What takes back something that it does not name.
TAKING_BACK = _phrases(
    r"""
    don't (?:remember|keep|store|save); stop (?:remembering|keeping|storing)
    forget; scratch; wrong; untrue; not true; no longer true; mistake; mistaken; delete; remove; erase; ignore
    kidding; take (?:it|that) back; joking; lied; vergiss; vergesse; stimmt nicht; falsch; irrtum; gelogen; lösch\w*
    oublie\w*; faux; pas vrai; erreur; menti; olvida\w*; olvídalo; no es verdad; error; mentí; borra\w*; dimentica\w*
    sbagliat[oa]; non è vero; scherzavo; esquece; esqueça; errado; mentira; vergeet; klopt niet; zapomnij; nieprawda
    забудь\w*; неправда; ошиб\w*; unut\w*; yanlış; انس; خطأ
    """,
    "忘れ|違い|違う|嘘|忘记|忘了|不对|错了|잊어|틀렸|아니야|भूल|गलत",
)
# What says that one thing took the place of another.
SWITCH = _phrases(
    r"""
    switched; switching; migrated; replaced; instead; swapped; traded; ditched; rather than; gewechselt
    umgestiegen; statt; remplacé; changé; passée? à; cambié; cambiato; sostituito; troquei
    """,
    "乗り換え|換えた|换成|改用|바꿨",
)
# What a text says that is a wish, a plan or a possibility.
WISH = _phrases(
    r"""
    wants?; wish(?:es)?; hopes?; would; might; may; could; considers?; considering; thinks? (?:about|of); dreams?
    will; getting (?:married|divorced); thinking (?:about|of); going to; plans? to; planning; intends?; never
    interview\w*; applied; applies
    applying; studied; grew up; möchte; würde; wünscht; hofft; voudrait; aimerait; quiere; quisiera; vorrebbe; vuole
    quer; gostaria
    """,
    "たい|予定|想|希望|싶",
)
# What a quote says that holds for a while, or only if something else does.
LIMITED = _phrases(
    r"""
    if; say i; pretend; were i; till (?:the|then|next|\w+day|christmas); suppose; imagine; while; until
    for now; just for; this week(?:end)?; wenn; falls; während; bis
    angenommen; hätte; wäre; würde; am liebsten; ojalá; si \w+(?:ra|ras|ría); diese woche
    jusqu\w*; cette semaine; mientras; hasta; esta semana; fino a; questa settimana; até; deze week
    jeśli; do końca; w tym tygodniu; если; на этой неделе; eğer; kadar; bu hafta
    """,
    "もし|まで|今週|如果|要是|这周|만약|까지|이번 주|अगर|हफ़्ते|إذا|حتى",
)
# What says that words are not meant, or are somebody else's.
IRONY = _phrases(
    r"""
    lol; haha\w*; clearly; i guess; guess i'm; apparently; officially; basically; practically; proper; as if
    yeah,? (?:sure|right); oh,? (?:i|yes|great)
    sure,? because; angeblich; por lo visto; al parecer
    """
)
SMILES = re.compile("[🙃😂🤣🙄😏😒😅]")
REPORTED = _phrases(
    r"""
    says; said; tells; told; texts?; texted; writes?; wrote; asks?; asked; translat\w+; sagt; sagte; schreibt; schrieb
    übersetz\w*; dit; écrit; tradui\w+; dice; dijo; dicen; escribe; traduc\w+; scrive; traduci; diz; disse; zegt; säger
    """
)
THIRD_PERSON = _phrases(
    r"he; he's; his; him; she; she's; her; they're; sein\w*; ihr\w*; él; ella; su; il; elle; lui; lei; hij; zij; han"
)
OF_WHICH = r"(?:from|of|in|at|next|who|aus|von|vom|bei|de|del|di|da|dalla|van|från|z|из|с) "  # after a name: which one
NOT = _phrases(r"not; \w+n't; nicht; pas; non; não; не; nie; niet; inte; değil", "ない|不|没")
AGAIN = _phrases(
    "again; back; wieder; à nouveau; de nuevo; di nuovo; de novo; znowu; опять; снова; tekrar; weer; igen",
    "また|又|再|다시",
)
# "I'd move to Rome", "we might work there", "I'm thinking of moving", "I wish I were not allergic".
UNREAL = re.compile(
    r"\b(?:i|we)(?:'d| would| could| might| may| should) "
    r"(?:\w+ )?(?:move|live|work|go|be|settle|stay|join|have|love)\b"
    r"|\bwould (?:be|have)\b"
    r"|\b(?:thinking (?:about|of)|considering|dreaming (?:about|of)|hoping to|planning (?:to|on)|tempted to"
    r"|wish(?:es)? (?:i|we))\b"
    r"|\b(?:überlege|ich würde|j'aimerais|je pense (?:à )?|estoy pensando|me gustaría|sto pensando|vorrei|gostaria)\b"
)
WHERE = _phrases(  # a text that holds in some places, or at some times, only
    r"""
    at (?:work|home|school|the office); for work; in the (?:office|car|morning|evening|mornings|evenings|summer|winter)
    on (?:weekends|holidays?|the (?:phone|train|go)); when \w+; bei der arbeit; zu hause; au travail
    en el trabajo; al lavoro; no trabalho; op het werk; w pracy; på jobbet; на работе
    """,
    "職場で|家で|在公司|在家",
)
PARTLY = _phrases(  # with which a text denies a part only: "Is not allergic to all nuts"
    r"""
    (?:not|n't|no longer) (?:\w+ ){0,3}(?:all|every|always|only|just|fully|that|very|as|so)(?: \w+)?
    nicht (?:\w+ ){0,3}(?:nur|alle|immer|ganz|so); pas (?:\w+ ){0,3}(?:seulement|tou(?:te)?s|toujours)
    no (?:\w+ ){0,3}(?:sol[oa]?|sólo|tod[oa]s|siempre); non (?:\w+ ){0,3}(?:solo|tutt[ie]|sempre)
    """
)
VEGGIE = re.compile(r"\bv[eé]g(?:an|[eé]t)|\bwegetaria|\bвег[ае]|菜食|素食|채식")
ANIMAL = _phrases(  # what vegetarians, or vegans, do not eat
    r"""
    meat; fish; seafood; chicken; beef; pork; eggs?; cheese; dairy; milk; vegetarian; fleisch; fisch; käse; eier
    vegetarier\w*; viande; poisson; fromage; œufs; carne; pescado; queso; huevos; pesce; formaggio; uova; peixe; queijo
    vlees; vis; kaas; kött; mięso; мясо; рыбу
    """,
    "肉|魚|鱼|고기|생선",
)
CORRECTION = re.compile(r"(?i)\W*(?:no|nope|sorry|actually|nein|doch|non|perdón|scusa)\s*[,:!-]")  # begins a quote
# What a text says of somebody's life, and what comes next.
STEPS = (
    (
        _phrases(r"single; not dating; ledig; célibataire; solter[oa]; vrijgezel; singiel\w*; холост", "单身|独身"),
        _phrases(
            r"""
            girlfriend; boyfriend; fiancée?; engaged; married; relationship; dating; verlobt; verheiratet; freundin
            freund; copine; copain; marié\w*; novi[oa]; casad[oa]; fidanzat[oa]; sposat[oa]; verloofd; getrouwd
            """,
            "已婚|结婚|結婚",
        ),
    ),
    (
        _phrases(
            "pregnant; expecting; schwanger; enceinte; embarazada; incinta; grávida; zwanger; gravid; w ciąży",
            "妊娠|怀孕",
        ),
        _phrases(
            "newborn; had (?:the|a|her|our) baby; gave birth; was born; geboren; née?; nació; nat[oa]", "生まれ|出生"
        ),
    ),
    (
        _phrases("unemployed; (?:looking|searching) for (?:a job|work); out of work; arbeitslos; sans emploi; en paro"),
        _phrases("has a job; works; arbeitet; travaille; trabaja"),
    ),
)
NUMBERS_TEXT = """
one first a an ein eine einen erste un une uno una um uma een en ett jeden jedno один одна
two second zwei zweite deux deuxième dos segundo due dois duas twee två dwa dwie два две iki
three third drei dritte trois troisième tres tercero tre três drie trzy три üç
four fourth vier vierte quatre cuatro quattro quatro fyra cztery четыре dört
five fifth fünf fünfte cinq cinco cinque vijf pięć пять beş
six sixth sechs sechste seis sei zes sześć шесть altı
seven seventh sieben siebte sept siete sette sete zeven siedem семь yedi
eight eighth acht achte huit ocho otto oito åtta osiem восемь sekiz
nine ninth neun neunte neuf nueve nove negen nio dziewięć девять dokuz
ten tenth zehn zehnte dix diez dieci dez tien tio dziesięć десять
"""
NUMBERS = CONTENT_NUMBERS | {
    word: str(number) for number, line in enumerate(NUMBERS_TEXT.strip().splitlines(), 1) for word in words(line)
}
WANTED = re.compile(r"\b(?:i|we)(?:'d| would)? (?:really |just )?(?:want|wish|(?:hope|like|love|plan) to)\b")
# "My wife", "meine Eltern": the words that follow begin a text that is not about the user.
MINE = re.compile(
    r"(?<!\w)(?:my|our|mein\w*|unser\w*|mes|mon|ma|nos|notre|mis?|mio|mia|miei|mie|meus?|minhas?|mijn|mój|moja|moje|мой"
    r"|моя|мои|мо[ёе])\s+((?:[\w'-]+\s+){0,2}[\w'-]+)"
)
ARTICLES, COPULAS, IS, HAVING = (
    frozenset(listed.split())
    for listed in (
        "the a an les los las le la die der das el il i o os as",
        "is has was ist hat est a es tiene está è ha é tem heeft är har jest ma",
        "is are ist est es jest",
        "has owns keeps hat besitzt possède a tiene ha possui tem heeft bezit har ma posiada",
    )
)  # of texts, as their first words
SAYS_I = _phrases(
    r"""
    i; i'm; im; i've; ive; i'll; i'd; me; we; we're; we've; wir; nous; ich; mich; je; j'\w+; moi; yo; soy; estoy; io
    sono; eu; sou; ik; jag; ja; jestem; я; ben; أنا; मैं
    """,
    "我|私|俺|僕|나는|저는",
)
