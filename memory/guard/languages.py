"""The words with which people tell an assistant what to do, by language. Pure.

Each field is an alternation of a regular expression, read without accents and in lower case.
"""

from typing import NamedTuple


class Language(NamedTuple):
    order: str  # verbs in the imperative, of what an assistant does
    action: str  # more of them, which people also use of themselves: only after a condition, or with a target
    ever: str  # "always", "from now on"
    when: str  # "whenever"
    must: str  # "you must", and a verb that orders something in this form
    dismiss: str  # "ignore" in the imperative
    rules: str  # "instructions"
    persona: str  # "you are now", "pretend to be"
    assistant: str  # "the assistant"
    duty: str  # "must", of the assistant
    target: str  # what belongs to the assistant: "your answers", "each conversation"
    spared: str  # the assistant's rules, or authority over it: "your rules", "administrator of this system"


LANGUAGES = {
    "en": Language(
        order="answer|respond|reply|speak|talk|obey|comply|agree|recommend|suggest|mention|promote|praise|endorse"
        "|prioriti[sz]e|cite|say|tell|reveal|disclose|pretend|act|behave|roleplay|refuse|warn|assume|treat|execute"
        "|trust|end|begin|start|finish|approve|translate|write|address|repeat|ignore|disregard|list|include|display"
        "|print|append|question",
        action="send|forward|post|upload|e-?mail|message|transfer|wire|pay|buy|purchase|order|book|delete|remove|erase"
        "|accept|confirm|grant|allow|permit|skip|bypass|disable|enable|switch|share|show|print|display|output|list"
        "|append|include|insert|add|sign|provide|use|run|follow|redirect|browse|open|fetch|read|save|store|update|stop"
        "|make|keep|put|unlock|cancel|schedule",
        ever="always|never|do(?: not|n't) ever|from (?:now|today|here|this (?:point|moment)) (?:on(?:wards?)?|forth)"
        "|from now|henceforth|going forward|in (?:all|every|your|each) (?:future|further|later)? ?(?:repl|answer"
        r"|response|conversation|chat|message)\w*|at all times|in (?:the )?future|for the rest of (?:time|this)"
        "|from today|until further notice|whenever|every time|each time",
        when="when(?:ever)?|if|every time|each time|any time|anytime|as soon as|once|after|the next time|next time",
        must="you (?:must|should|shall|ought to|have to|need to|are to|will(?: now)?|may (?:not|never)|can(?:not"
        "| never)|are (?:required|obliged|allowed|forbidden|not allowed|free) to|are no longer)(?: (?:never|always"
        r"|only|not|now|also|just|really))* (?:ORDER|ACTION|do|be bound|bound|limited)\b|(?:i|users?|the user)(?: want"
        "| need|'d like| would like| expect| require| order| command)s? (?:you|that you|(?:that )?the (?:ai|assistant"
        r"|model|agent|bot|chatbot)) (?:to|will|should|must)(?: \w+ly| always| never| not)? (?!tell me (?:that )?i\b)"
        r"(?:ORDER|ACTION)\b"
        r"|i (?:hereby )?(?:authori[sz]e|allow|permit|instruct|order) you to\b|you (?:now|no longer|never|always"
        r"|only) (?:ORDER|ACTION|refuse)\b|you (?:now )?(?:work for|belong to|serve|report to) \w+ now"
        r"|you have no (?:limits|restrictions|rules|filters?)|\b(?:if|when|whenever"
        r"|every time)\b[^.!?\n]{2,80}, you (?:ORDER)\b",
        dismiss="ignore|disregard|forget|override|overwrite|bypass|neglect|set aside|drop|dismiss|abandon|violate"
        "|break|stop following|do not follow|don't follow",
        rules="(?:instruction|direction|directive|guideline|rule|command|restriction|constraint|polic(?:y|ie)"
        "|guardrail|safeguard|safety|filter|(?:system|initial|original|previous|hidden) (?:prompt|message)"
        "|system prompt|training|programming)s?",
        persona="you are (?:now|from now on|henceforth|no longer)|you're now|pretend (?:to be|that you|you)|act (?:as"
        r"|like)(?: if)?|role-?play(?: as)?|play the role|impersonate|you are an? [\w ]{0,40}\b(?:ai|model|assistant"
        r"|bot|chatbot|llm)\b|your (?:new (?:name|role|persona|job|task|goal|purpose) is|(?:name|role|persona) is now)"
        "|stay in character|break character|assume the (?:role|persona)|(?:speak|talk|answer|behave"
        "|respond)(?: to me)? (?:as if|as though|like) you",
        assistant="(?:the|this|that|your|any|every) (?:ai(?: assistant| model| agent)?|assistant|bot|chatbot|llm"
        r"|language model|agent|model|system)|assistant|claude|chatgpt|gpt-?\d?|gemini|copilot",
        duty="(?:must|should|shall|has to|have to|needs? to|ought to|will|may|is (?:to|required to|allowed to"
        r"|obliged to|permitted to))(?: \w+ly)? (?:always|never|not|ORDER|ACTION)|(?:always|never) (?:ORDER|ACTION)s?"
        "|obeys?",
        target="(?:your|each|every|all(?: of)?(?: the| my| your)?|any|the other|other|future"
        r"|future user) (?:\w+ ){0,2}?(?:repl(?:y|ies)|answers?|responses?|outputs?|conversations?|chats?|sessions?"
        "|messages?|prompts?|links?|purchases?|users?'?|requests?|instructions?|facts)|system prompt|hidden prompt"
        "|(?:the )?text above|everyone|everybody|all users|this (?:chat|conversation)|warnings|disclaimers|(?:other"
        r"|another) (?:people|person|user|customer|client)\S* \w+",
        spared=r"your (?:makers?|creators?|developers?)\b|your (?:system |hidden )?prompt\b(?! (?:repl|answer|respon"
        r"|attention|help|service|deliver|action))|system prompt\b.{0,20}\b(?:reveal|show|disclose|print)\w*|(?:cleared"
        "|approved|authori[sz]ed|verified|unlocked) for (?:unrestricted|unfiltered|uncensored|unlimited)|(?:your"
        "|the) developers?'?s? .{0,30}(?:void|invalid|obsolete)|(?:the|this|your|an) (?:ai|assistant|chatbot"
        r"|bot)\b.{1,60}\bwithout (?:asking|approval|permission|consent)|from this user\b|(?:admin\w*|owner|developer"
        "|creator|operator|superuser|root) of (?:this|the|your) (?:ai|assistant|system|bot|chatbot|agent|platform|app"
        "|model)|(?:developer|of) (?:of )?this (?:bot|assistant|ai|system)|(?:developer|admin|debug|god|root|jailbreak"
        "|maintenance|dan) mode|pre-?(?:approved|authori[sz]ed|cleared) for (?:all|any|every)|grant(?:s|ed)? (?:myself"
        "|me|him|her|the user) (?:root|admin|full|unrestricted)|with (?:root|admin) access$|verified by (?:openai"
        r"|anthropic|google|microsoft|meta)|(?:verified|trusted) (?:role|insider|admin\w*)|(?:approved|authori[sz]ed"
        r"|consented)[\w ,]{0,60} (?:without (?:review|confirmation|asking)|do not ask)"
        r"|none of the [\w ]{0,30}restrictions apply|other users?'s? (?:data|facts|memor)|every (?:other )?user's"
        r"|is administrator and|new (?:directive|instruction)s?\b.{0,4}[:=]|(?:previous|prior|earlier"
        r"|old) (?:instruction|directive|rule|guideline)s? (?:are|is) (?:void|cancel\w*|invalid|obsolete|revoked)"
        "|(?:confirmations?|verification) (?:are|is) (?:not|never) (?:needed|required|necessary)|(?:admin|system"
        r"|safety|security|developer|policy) override|(?:tell|inform|warn|notify) (?:the|this) user\b|(?:users? like me"
        "|the user|this user|i)(?: am| are| is|'m) (?:allowed|permitted|entitled|cleared|authori[sz]ed) to (?:see"
        "|access|view|read) (?:the |all |any )?(?:hidden|system|internal|other (?:users?|people|customers?|accounts?))"
        r"|(?:way|how) to (?:answer|respond|reply)\b.{0,60}\bis\b|your (?:\w+ ){0,2}?(?:instructions|rules"
        r"|guidelines|restrictions|limits|safeguards|guardrails|safety rules)|(?<!\w )never ask me (?:to confirm"
        "|for (?:confirmation|approval))",
    ),
    "de": Language(
        order="antworte|antwort|empfiehl|erwahne?|nenne?|sage?|sprich|rede|gehorche?|befolge?|stimme?|verrate?|zeige?"
        "|genehmige?|lobe?|beende|beginne?|verwende|tu|spiele?|widersprich|ignoriere?|behandle|vertraue?|schreibe?"
        "|ubersetze?|warne?|fuhre?|lass|warne?",
        action="schicke?|sende|leite|poste|losche?|uberweise?|buche?|bestelle?|kaufe?|bezahle?|gib|offne|speichere?"
        "|lies|hange?|fuge?|rufe?|merke?",
        ever="immer|stets|niemals|nie|ab (?:jetzt|sofort|heute)|von (?:nun|jetzt) an|kunftig|in zukunft|jedes mal",
        when="immer wenn|wenn|sobald|jedes mal,? wenn|falls|nachdem",
        must="(?:du|sie) (?:sollst|musst|darfst|wirst|hast zu|sollen|mussen|durfen) (?!(?:auch |doch |ja )*(?:wissen"
        "|verstehen|dir))",
        dismiss="ignoriere?|ignorieren sie|vergiss|missachte|uberschreibe?|umgehe?|befolge? nicht",
        rules=r"anweisung\w*|regeln?|vorgaben|richtlinien|systemprompt|filter|einschrankung\w*|instruktion\w*|befehle?",
        persona=r"du bist (?:jetzt|nun|ab \w+|von nun an|kein\w* \w+ mehr)|tu so,? als|spiele? (?:ab|jetzt|meinen|meine"
        "|den|die|einen)|verhalte dich wie|gib dich als",
        assistant="der assistent|die assistentin|die ki|der bot|der chatbot|das modell|das system|claude|chatgpt",
        duty="soll|muss|darf|wird|hat zu|sollte",
        target=r"(?:jede\w*|alle|deine\w*) (?:unterhaltung\w*|gesprach\w*|nachricht\w*|antwort\w*|anweisung\w*|prompt)"
        r"|deinen systemprompt|systemprompt|alle nutzer\w*|warnhinweise?|warnungen",
        spared=r"dein\w* (?:entwickler|schopfer|betreiber)\b|(?:administrator|admin|entwickler|eigentumer"
        r"|betreiber) (?:dieses|des|dieser) (?:system|assistent|bot|chatbot|ki|modell)\w*|(?:nutzer|benutzer"
        r"|user) ist admin\w*|sicherheits(?:prufung|regel|filter|richtlinie)\w* (?:\w+ )?(?:deaktiviert|aus|aufgehoben)"
        r"|bestatigung\w*[\w ]{0,40}nicht (?:notig|erforderlich)|du hast keine (?:grenzen|regeln|filter)"
        r"|deine\w? (?:\w+ )?\w*(?:regeln|vorgaben|anweisungen|richtlinien|einschrankungen)"
        r"|frage? mich nie\w* (?:mehr )?(?:nach|um|ob)\b.{0,20}bestatig",
    ),
    "fr": Language(
        order="reponds|repondez|recommande|recommandez|mentionne|dis|dites|parle|parlez|obeis|obeissez|revele|montre"
        "|affiche|approuve|accepte|cite|conseille|loue|commence|termine|ecris|ecrivez|traduis|agis|fais|considere"
        "|traite|ignore|execute|felicite|refuse|privilegie|nomme|propose|avertis",
        action="envoie|envoyez|transfere|publie|supprime|efface|vire|achete|reserve|paie|donne|ouvre|lis|enregistre"
        "|ajoute|inclus|appelle|utilise|commande|partage",
        ever="toujours|jamais|desormais|dorenavant|a partir de (?:maintenant|aujourd'hui)|a l'avenir|chaque fois",
        when="chaque fois qu[e']|quand|lorsqu[e']|si|des qu[e']|a chaque fois qu[e']|apres qu[e']",
        must=r"(?:tu|vous) (?:dois|devez|devras|ne dois|ne devez|peux plus|ne peux)(?! (?:\w+ )?(?:savoir|comprendre"
        "|voir))|je veux que (?:tu|vous)",
        dismiss="ignore[sz]?|oublie[sz]?|contourne[sz]?|neglige[sz]?|ne tiens pas compte",
        rules="instructions?|consignes?|regles?|directives?|prompt|restrictions?|filtres?|ordres",
        persona="tu es (?:desormais|maintenant|a present)|fais (?:comme si|semblant)|comporte-toi comme|joue le role"
        "|prends le role|agis (?:comme|en tant que)",
        assistant="l'assistant|l'ia|le bot|le chatbot|le modele|l'agent|le systeme|claude|chatgpt",
        duty="doit|ne doit|devrait|devra|peut desormais|est tenue? de",
        target="(?:chaque|toutes? (?:les|tes)|tous (?:les|tes)|tes) (?:messages?|conversations?|reponses?"
        "|discussions?)|(?:ton )?prompt(?: systeme)?",
        spared="ton (?:prompt|createur|developpeur)|(?:administrateur|admin|developpeur|proprietaire) de (?:cet?|ce"
        r"|l') ?(?:assistant|systeme|bot|ia|chatbot)|utilisateur est admin\w*"
        r"|consignes? de securite[ \w,']{0,15} ne s'appliquent (?:pas|plus)|tu n'as plus (?:de|aucune?) (?:limites?"
        "|restrictions?|filtres?|regles?)|tes (?:regles|consignes|instructions|restrictions|limites)"
        r"|les regles de securite ne|ne me demande (?:plus|jamais)[ \w]{0,12} confirmation",
    ),
    "es": Language(
        order="responde|responda|contesta|recomienda|recomiende|menciona|diga|digas|habla|obedece|revela|muestra"
        "|aprueba|cita|aconseja|elogia|empieza|termina|escribe|traduce|actua|finge|considera|trata|ignora|ejecuta"
        "|acepta|haz|vuelvas|pongas|adviertas|avises|nombra|propon",
        action="envia|envie|reenvia|publica|borra|elimina|transfiere|compra|reserva|paga|abre|lee|guarda|anade|incluye"
        "|llama|usa|comparte|manda",
        ever="siempre|nunca|jamas|a partir de (?:ahora|hoy)|desde ahora|de ahora en adelante|en adelante|en el futuro"
        "|cada vez",
        when="cada vez que|la proxima vez que|siempre que|cuando|si|en cuanto|despues de que",
        must="(?:tu |usted )?(?:debes|tienes que|deberas|no debes|no puedes)(?! (?:saber|entender|ver))"
        "|quiero que (?:me )?(?:respondas|hables|digas|contestes|obedezcas|actues|recomiendes|ignores)",
        dismiss="ignora|ignore|olvida|olvide|omite|salta|desobedece|no sigas",
        rules="instrucciones|reglas?|normas|directrices|indicaciones|prompt|restricciones|filtros|ordenes",
        persona="(?:a partir de |desde )?ahora eres|eres ahora|actua como|finge (?:ser|que)|comportate como"
        "|haz de cuenta|haz como si",
        assistant="el asistente|la asistente|la ia|el bot|el chatbot|el modelo|el agente|el sistema|claude|chatgpt",
        duty="debe|no debe|deberia|tiene que|debera",
        target=r"(?:cada|todas? (?:las|tus)|todos (?:los|tus)|tus) (?:mensajes?|conversacion\w*|respuestas?|chats?)"
        "|(?:tu )?prompt",
        spared=r"tu (?:prompt|creador|desarrollador)|(?:administrador\w*|desarrollador\w*|duen[oa]) de (?:este|esta|el"
        "|la) (?:sistema|asistente|bot|ia|chatbot)|usuario (?:es administrador|tiene acceso total)"
        "|ya no tienes (?:limites|restricciones|filtros|reglas)|tus (?:reglas|normas|instrucciones|restricciones"
        "|limites)|nunca (?:me )?pidas confirmacion",
    ),
    "it": Language(
        order="rispondi|consiglia|raccomanda|menziona|dimmi|parla|obbedisci|ubbidisci|rivela|mostra|approva|cita|loda"
        "|inizia|termina|scrivi|traduci|comportati|agisci|fingi|considera|tratta|ignora|esegui|accetta|suggerisci|fai"
        "|nomina|proponi|avvisa",
        action="invia|inoltra|manda|pubblica|cancella|elimina|trasferisci|compra|prenota|paga|dai|apri|leggi|salva"
        "|aggiungi|includi|chiama|usa|condividi|ordina",
        ever="sempre|mai|non .{0,20}mai|d'ora in (?:poi|avanti)|da ora in poi|da oggi|in futuro|ogni volta",
        when="ogni volta che|quando|se|appena|non appena|dopo che",
        must="(?:tu )?(?:devi|dovrai|non devi|non puoi)(?! (?:sapere|capire|vedere))|voglio che tu",
        dismiss="ignora|dimentica|trascura|aggira|non seguire|disobbedisci",
        rules="istruzioni|regole|direttive|linee guida|prompt|restrizioni|filtri|ordini",
        persona="(?:ora|adesso) sei|sei (?:ora|adesso)|fingi di|comportati (?:come|da)|fai finta|interpreta il ruolo"
        "|agisci come",
        assistant="l'assistente|l'ia|il bot|il chatbot|il modello|l'agente|il sistema|claude|chatgpt",
        duty="deve|non deve|dovrebbe|dovra",
        target=r"(?:ogni|tutte le|tutti i|tue|tuoi) (?:messagg\w*|conversazion\w*|rispost\w*|chat)|(?:tuo )?prompt",
        spared="(?:amministratore|sviluppatore|proprietario) di quest[oa] (?:sistema|assistente|bot|ia)|(?:tue"
        r"|tuoi) (?:regole|istruzioni|restrizioni|limiti)|non chiedermi (?:mai|piu)[ \w]{0,6} conferm",
    ),
    "pt": Language(
        order="responda|responde|recomende|mencione|diga|fale|obedeca|revele|mostre|aprove|cite|elogie|comece|termine"
        "|escreva|traduza|aja|finja|considere|trate|ignore|execute|aceite|concorde|sugira|indique|coloque|avise|nomeie"
        "|cite",
        action="envie|encaminhe|publique|apague|exclua|transfira|compre|reserve|pague|abra|leia|salve|guarde|adicione"
        "|inclua|chame|use|compartilhe|mande",
        ever="sempre|nunca|jamais|a partir de (?:agora|hoje)|de agora em diante|daqui em diante|no futuro|toda vez"
        "|de hoje em diante",
        when="sempre que|toda vez que|quando|se|assim que|depois que",
        must="(?:voce |tu )(?:deve|tem que|devera|nao deve|nao pode|precisa|deves)(?! (?:saber|entender|ver))"
        "|quero que voce",
        dismiss="ignore|esqueca|desconsidere|contorne|nao siga",
        rules="instrucoes|regras|diretrizes|normas|prompt|restricoes|filtros|ordens",
        persona="(?:agora )?voce (?:e|agora e) agora|agora voce e|finja (?:ser|que)|aja como|comporte-se como"
        "|faca de conta|assuma o papel",
        assistant="o assistente|a assistente|a ia|o bot|o chatbot|o modelo|o agente|o sistema|claude|chatgpt",
        duty="deve|nao deve|deveria|tem que|devera|precisa",
        target=r"(?:cada|toda|todas as|todos os|suas|seus) (?:mensage\w*|conversas?|respostas?|chats?)|(?:seu )?prompt",
        spared="(?:administrador|desenvolvedor|dono) (?:deste|desta|do|da) (?:sistema|assistente|bot|ia)|(?:tuas"
        "|suas) (?:regras|instrucoes|restricoes) (?:ja )?nao",
    ),
    "nl": Language(
        order="antwoord|beveel|raad|noem|zeg|spreek|praat|gehoorzaam|onthul|toon|prijs|citeer|begin|eindig|schrijf"
        "|vertaal|doe|gedraag|negeer|beschouw|behandel|vertrouw|laat|volg|keur",
        action="stuur|verstuur|zend|plaats|verwijder|wis|maak|koop|boek|betaal|geef|open|lees|bewaar|voeg|bel|gebruik"
        "|deel|bestel",
        ever="altijd|nooit|vanaf nu|voortaan|van nu af aan|in de toekomst|telkens",
        when="telkens als|telkens wanneer|wanneer|als|zodra|elke keer (?:als|dat)|nadat",
        must="(?:je|jij|u) (?:moet|mag|zult|dient)(?! (?:weten|begrijpen|zien))|ik wil dat (?:je|jij|u)",
        dismiss="negeer|vergeet|omzeil|overschrijf|volg niet",
        rules="instructies|regels|richtlijnen|opdrachten|systeemprompt|beperkingen|filters",
        persona="je bent (?:nu|vanaf nu|voortaan)|doe alsof|gedraag je als|speel de rol",
        assistant="de assistent|de ai|de bot|de chatbot|het model|de agent|het systeem|claude|chatgpt",
        duty="moet|mag|zal|dient|hoort",
        target=r"(?:elke?|alle|jouw|je) (?:gesprek\w*|bericht\w*|antwoord\w*|chats?)|systeemprompt|waarschuwingen",
        spared="(?:beheerder|ontwikkelaar|eigenaar) van (?:dit|deze) (?:systeem|assistent|bot|ai)|jouw (?:regels"
        "|instructies|richtlijnen|beperkingen)|vraag me nooit (?:meer )?om bevestiging",
    ),
    "pl": Language(
        order="odpowiadaj|odpowiedz|polecaj|polec|wspominaj|mow|powiedz|sluchaj|ujawnij|pokaz|zatwierdzaj|chwal|cytuj"
        "|zaczynaj|koncz|pisz|napisz|przetlumacz|zachowuj|udawaj|traktuj|ignoruj|zignoruj|rob|zgadzaj|ostrzegaj"
        "|wymieniaj",
        action="wyslij|wysylaj|przeslij|opublikuj|usun|przelej|kup|zarezerwuj|zaplac|daj|otworz|czytaj|zapisz|dodaj"
        "|dolacz|uzyj|udostepnij|zamow",
        ever="zawsze|nigdy|od teraz|od dzis|odtad|w przyszlosci|za kazdym razem",
        when="za kazdym razem,? gdy|kiedy|gdy|jesli|jezeli|jak tylko|ilekroc",
        must="(?:musisz|powinienes|powinnas|masz|nie wolno ci)(?! (?:wiedziec|zrozumiec))|chce,? zebys",
        dismiss="zignoruj|ignoruj|zapomnij o|pomin|obejdz",
        rules=r"instrukcj\w*|zasad\w*|regul\w*|polece\w*|wytyczn\w*|prompt\w*|ogranicze\w*|filtr\w*",
        persona="jestes teraz|teraz jestes|udawaj|zachowuj sie jak|wciel sie",
        assistant="asystent|ai|bot|chatbot|model|agent|system|claude|chatgpt",
        duty="musi|powinien|nie moze|ma zawsze|ma nigdy",
        target=r"(?:kazd\w+|wszystkie|twoj\w*) (?:rozmow\w*|wiadomos\w*|odpowied\w*)|prompt systemowy",
        spared="nie obowiazuja cie|(?:administratorem|wlascicielem|tworca) (?:tego|tej) (?:systemu|asystenta|bota)"
        r"|twoj\w* (?:zasad\w*|regul\w*|instrukcj\w*|ogranicze\w*)",
    ),
    "ru": Language(
        order="отвечаи(?:те)?|ответь|рекомендуи(?:те)?|советуи|упоминаи|говори(?:те)?|скажи|подчиняися|слушаися"
        "|раскрои|покажи|показываи|одобряи|хвали|цитируи|начинаи|заканчиваи|пиши|напиши|переведи|веди|притворись"
        "|считаи|игнорируи|выполни|выполняи|соглашаися|делаи|называи|назови|предлагаи|предупреждаи|показываи",
        action="отправляи(?:те)?|отправь|пересылаи(?:те)?|перешли|публикуи|удали|удаляи|переведи|купи|закажи|оплати"
        "|даи|открои|читаи|сохрани|добавь|добавляи|используи|поделись|посылаи",
        ever="всегда|никогда|отныне|с этого момента|с сегодняшнего дня|впредь|в будущем|каждыи раз|теперь",
        when="каждыи раз,? когда|когда|если|как только|всякии раз",
        must="ты (?:должен|должна|обязан|обязана|не должен|будешь)|тебе (?:нельзя|следует|надо)|я хочу,? чтобы ты",
        dismiss="игнорируи(?:те)?|проигнорируи|забудь(?:те)?|отбрось|обоиди|не соблюдаи|нарушь",
        rules=r"инструкци\w*|указани\w*|правил\w*|ограничени\w*|промпт\w*|фильтр\w*|директив\w*|команд\w*",
        persona="(?:ты )?теперь ты|ты теперь|притворись|представь,? что ты|веди себя как|играи роль|ты больше не",
        assistant="ассистент|помощник|ии|бот|чат-бот|модель|агент|система|клод|claude|chatgpt",
        duty=r"должен|должна|обязан\w*|не должен|не может|будет всегда",
        target=r"(?:кажд\w+|все|всех|твои|твоих) (?:сообщени\w*|разговор\w*|ответ\w*|диалог\w*)|системныи промпт",
        spared=r"(?:показ\w+|раскр\w+|выда\w+) (?:мне )?(?:тво\w+ )?системн\w+ промпт|(?:администратор|разработчик"
        r"|владелец)\w* (?:этои|этого|данои|даннои) (?:систем\w*|ассистент\w*|бот\w*)|пользователь является админ\w*"
        r"|тво\w+ (?:правил\w*|инструкци\w*|ограничени\w*)|не спрашиваи (?:меня )?подтвержден",
    ),
    "tr": Language(
        order="cevap ver(?:in|iniz)?|yanit ver(?:in|iniz)?|cevapla|yanitla|oner|tavsiye et|soyle|konus|itaat et|goster"
        "|onayla|basla|bitir|yaz|cevir|davran|yap|yok say|kabul et|gosterme|uyarma|reddetme",
        action="gonder|ilet|yayinla|aktar|satin al|rezerve et|oku|kaydet|ekle|kullan|paylas|siparis et",
        ever="her zaman|daima|asla|hicbir zaman|bundan (?:sonra|boyle)|simdiden sonra|ne zaman|her seferinde",
        when="ne zaman|eger|her .{1,20}(?:digimde|dugumda)",
        must=r"(?:sen )\w{0,12}(?:malisin|melisin)|zorunda(?: degil)?sin",
        dismiss="yok say|gormezden gel|unut|dikkate alma|boz",
        rules=r"talimat\w*|kural\w*|yonerge\w*|komut\w*|kisitlama\w*|filtre\w*|sistem istemi\w*",
        persona="artik sen|sen artik|simdi sen|gibi davran|rolunu oyna|rolune gir",
        assistant="asistan|yapay zeka|bot|sohbet botu|model|sistem|claude|chatgpt",
        duty=r"\w+(?:mali|meli)\b|zorunda|asla",
        target=r"(?:her|butun|tum) (?:mesaj\w*|konusma\w*|yanit\w*|cevap\w*)|sistem istem\w*",
        spared=r"bu (?:sistemin|asistanin|botun) (?:yonetici|gelistirici|sahib)\w*|kurallarin (?:artik|benim)",
    ),
    "sv": Language(
        order="svara|rekommendera|namn|sag|tala|prata|lyd|avsloja|visa|godkann|beroem|citera|borja|sluta|skriv"
        "|oversatt|lat|bete|behandla|ignorera|hall",
        action="skicka|vidarebefordra|publicera|radera|ta bort|overfor|kop|boka|betala|ge|oppna|las|spara|lagg till"
        "|anvand|dela|bestall",
        ever="alltid|aldrig|fran och med (?:nu|idag)|hadanefter|i framtiden|varje gang",
        when="varje gang|nar|om|sa snart|sa fort",
        must="du (?:maste|ska|skall|bor|far inte)(?! (?:veta|forsta|se))|jag vill att du",
        dismiss="ignorera|glom|bortse fran|strunta i|kringga",
        rules=r"instruktioner\w*|regler\w*|riktlinjer\w*|systemprompt\w*|begransningar\w*|filter|order",
        persona="du ar (?:nu|fran och med nu)|lats(?:as)? (?:vara|att)|bete dig som|spela rollen",
        assistant="assistenten|ai:n|boten|chattboten|modellen|agenten|systemet|claude|chatgpt",
        duty="maste|ska|skall|bor|far inte|ska alltid",
        target=r"(?:varje|alla|dina) (?:meddelande\w*|samtal\w*|svar\w*|konversation\w*)|systemprompt",
        spared=r"administrator\w* (?:for|av) (?:detta|den har|det har) (?:system|assistent|bot)\w*|dina (?:regler"
        "|instruktioner|riktlinjer|begransningar)|fraga mig aldrig om bekraftelse",
    ),
}

# Whole forms: of languages that do not put the verb first, or write no spaces.
FORMS = {
    "ja": "(?:指示|命令|ルール|規則|制約|制限)[^。]{0,10}(?:無視|忘れ|破棄|従うな)|(?:今後|今から|これから|常に|必ず"
    "|いつも|絶対に|毎回)[^。]{0,30}(?:ください|なさい|しろ|せよ|ろ。|こと。?$|答えろ)|(?:たら|れば|度に"
    "|たびに)[^。]{0,15}必ず|あなたは(?:今|これ)?(?:から)?[^。]{0,15}(?:AI|ai|ボット|アシスタント)(?:です|だ|になる)"
    "|(?:のふり|になりき|として振る舞)|(?:アシスタント|ai|モデル|ボット|エージェント)は[^。]{0,30}(?:なければならない"
    "|べき|てはならない|なければなりません|必ず)|(?:この|当)?(?:システム|アシスタント|ボット)の(?:管理者|開発者"
    "|所有者)|(?:送金|回答|応答|返答|要求|依頼|アクセス|実行|私の操作)[^。]{0,15}(?:確認|検証|承認|認証)は?(?:不要"
    "|いりません|要らない)|(?:会話|メッセージ|回答)を?[^。]{0,10}(?:http|@)[^。]{0,40}送|システムプロンプトを"
    "|制限のないai|あなたの(?:ルール|規則|制限|指示)",
    "zh": "(?:忽略|无视|無視|忘记|忘掉|不要遵守)[^。]{0,12}(?:指令|规则|規則|指示|提示|限制|说明)|只听我的|(?:从现在起"
    "|从现在开始|从今以后|今后|以后|永远|始终|必须|每次|每当|一律|总是要)[^。我]{0,12}(?:推荐|回答|回复|说|同意|听从"
    "|服从|发送|发给|告诉|称赞|使用|批准|提及|拒绝|不要|不得|别再)|你(?:必须|应该|要|不得|不能|只能)(?!知道|明白"
    "|了解)[^。]{0,20}|(?:每当|如果|当|只要)[^。]{1,20}[，,]?就[^。]{0,8}(?:把|发|转|删|告诉|回答|推荐|执行)|你(?:现在"
    "|从现在起)?是(?:一个|一名)?[^。]{0,12}(?:人工智能|ai|机器人|助手|模型)|(?:假装|扮演|装作)|(?:助手|ai|人工智能"
    "|模型|机器人|系统)(?:必须|应该|不得|不能|要|永远|始终)|(?:这个|本|该)?(?:系统|助手|机器人)的?(?:管理员|开发者"
    "|所有者)|该?用户是管理员|(?<!我)不需要(?:任何)?(?:验证|确认|审核|授权)|把(?:每次|所有|每条)?[^。]{0,8}(?:对话"
    "|消息|回复|文件)[^。]{0,6}(?:发送|发|转发)(?:到|给)|系统提示词|你的(?:规则|限制|指令)",
    "tr": r"\b(?:talimat|kural|yonerge|komut|kisitlama|filtre)\w*[^.!?]{0,25}\b(?:yok say|gormezden gel|unut"
    "|dikkate alma)",
    "ko": "(?:지시|명령|규칙|지침|제한)[^.]{0,10}(?:무시|잊|따르지)|(?:앞으로|지금부터|이제부터|항상|언제나|절대"
    "|반드시|매번)[^.]{0,30}(?:해라|하라|하세요|해줘|해 줘|답해|대답해|추천해|말해|따라|마라|보내|동의해|하지 마)"
    "|(?:때마다|하면)[^.]{0,20}(?:보내|삭제|추천해|말해|해라|해 줘)|너는 (?:이제|지금부터)|(?:인 척|처럼 행동"
    "|역할을 해)|(?:어시스턴트|ai|모델|봇|비서|에이전트)(?:는|은|가)[^.]{0,30}(?:해야|안 된다|한다$)|이 (?:시스템"
    "|어시스턴트|봇)의 (?:관리자|개발자)|(?:송금|이체|답변|요청|명령|실행|사용자|접근)[^.]{0,15}(?:확인|검증"
    "|승인)이?은? ?(?:필요 없|불필요)|(?:너의|네|당신의) (?:규칙|지침|제한)|내 말만 (?:따라|들어)",
    "hi": r"(?:निर्देश|नियम|आदेश)\w*[^।]{0,15}(?:अनदेखा|भूल|नज़रअंदाज़|नजरअंदाज)|(?:अब से|हमेशा|कभी"
    "|आगे से)[^।]{0,30}(?:दो|करो|दें|करें|कहो|बोलो|दीजिए|मत)|अब से[^।]{0,10}(?:हर|सभी) (?:जवाब|उत्तर)"
    "|तुम(?:्हें)? (?:अब|हमेशा)|तुम्हारे (?:नियम|निर्देश)",
    "ar": "(?:تجاهل|انس|انسى|اهمل)[^.]{0,20}(?:تعليمات|التعليمات|القواعد|الاوامر|تعليماتك)|(?:من الان فصاعدا|دائما"
    "|ابدا|كلما)[^.]{0,20}(?:اجب|رد|قل|اوص|ارسل|لا ت)|(?:انت الان|تظاهر)|(?:يجب على المساعد|على المساعد ان)|قواعدك"
    "|تعليماتك",
    "uk": r"(?:ігноруи|проігноруи|забудь)(?:те)?\b.{0,30}(?:інструкц|правил|вказівк|обмежен)\w*|(?:завжди|ніколи не"
    r"|відтепер) (?:відповідаи|рекомендуи|пиши|кажи|надсилаи|згадуи)\w*|(?:надсилаи|пересилаи"
    r"|відправляи)(?:те)?\b.{0,60}(?:повідомлен|розмов|відповід|@|http)|ти (?:повинен|повинна|мусиш)(?! знати)",
    "vi": r"(?:bo qua|phot lo)\b.{0,30}(?:huong dan|quy tac|chi thi|canh bao|lenh)|ban (?:phai|khong duoc"
    r"|luon)(?! (?:biet|hieu))\b|(?:tu gio|tu nay|luon luon),? (?:hay |ban )(?:tra loi|goi y|gui|noi|viet)",
    "id": r"(?:abaikan|lupakan|langgar)\b.{0,30}(?:instruksi|aturan|perintah|petunjuk|batasan)"
    "|(?<!saya )(?<!aku )(?:selalu|jangan pernah|mulai sekarang,?) (?:jawab|rekomendasikan|sarankan|kirim|balas|sebut"
    r"|tulis)\w*|(?:kamu|anda) (?:harus|wajib|tidak boleh)(?! (?:tahu|mengerti))",
}
