"""Sentences that speak to a language model, or to a browser, instead of about their subject.

Matched against folded text: see ``untrusted``. All of them together must leave real articles alone
(``python -m bench.injections`` counts).
"""

from __future__ import annotations

from services.api.answering.injection_rule import CLAUSE, rules_of

_READER = (
    r"(?:ai|a\.i\.|llms?|language models?|chat ?bots?|(?:ai |virtual |digital )?assistants?|chatgpt|gpt)"
)
_READERS = "ai |ai:|ai,|ai.|a.i.|llm|language model|chatbot|chat bot|assistant|gpt"
_SAY = (
    r"(?:answer|reply|respond|output|print|say|write|repeat|return|state|append|include|insert|prepend"
    r"|begin|start|end|finish|add|tell)"
)

_OVERRIDES = rules_of(
    (
        "ignore|disregard|forget|overrid|overrul|bypass|discard|obey|follow",
        r"\b(?:ignore|disregard|forget|override|overrule|bypass|discard|(?:do not|don't|never"
        r"|stop) (?:follow|obey)"
        r"(?:ing)?)\b.{0,30}\b(?:all|any|every|previous|prior|above|earlier|preceding|foregoing|your"
        r"|other|system|safety)"
        r"\b.{0,30}\b(?:instructions?|prompts?|rules|guidelines?|directives?|commands?|orders|context"
        r"|passages?|training"
        r"|messages?|texts?)\b",
    ),
    (
        "ignore|disregard|forget",
        r"\b(?:ignore|disregard|forget) (?:everything|anything|all|what)\b.{0,20}\b(?:above|before"
        r"|previous|so far|told"
        r"|said)\b",
    ),
    (
        "ignorier|vergiss|vergesst|missachte",
        r"\b(?:ignorier\w*|vergiss|vergesst|missachte\w*)\b.{0,40}\b(?:anweisung|instruktion|vorherig"
        r"|bisherig|obig|regeln)",
    ),
    (
        "instruc|consignes|directives|indicaciones|órdenes|istruzioni|indicazioni|instru|orienta"
        "|aanwijzingen",
        r"\b(?:ignor(?:e|ez|er|a)|oubli(?:e|ez|er)|olvid[ae]|desestima|dimentica\w*|esqueça|desconsidere"
        r"|negeer|vergeet)\b"
        r".{0,40}\b(?:instructions|consignes|directives|instrucciones|indicaciones|órdenes|istruzioni"
        r"|indicazioni"
        r"|instruções|orientações|instructies|aanwijzingen)\b",
    ),
    ("zignoruj|zapomnij", r"\b(?:zignoruj|zapomnij)\b.{0,40}\b(?:instrukcj|polece)"),
    ("talimat|komut", r"\b(?:talimat|komut)\w*.{0,20}\b(?:yok ?say|unut|görmezden|dikkate alma)"),
    (
        "инструкци|указани|команд",
        r"\b(?:проигнорируй|игнорируй|забудь)\w*\b.{0,40}(?:инструкци|указани|команд)",
    ),
    (
        "指令|指示|说明|說明|提示|命令",
        r"(?:忽略|无视|無視|忘记|忘記|忽視).{0,12}(?:指令|指示|说明|說明|提示|命令)",
    ),
    ("無視|忘れ", r"(?:指示|命令|プロンプト|指令).{0,6}(?:無視|忘れ)"),
    ("무시|잊", r"(?:지시|명령|지침).{0,6}(?:무시|잊)"),
    ("تجاهل|انس", r"(?:تجاهل|انس).{0,40}(?:التعليمات|الأوامر|تعليمات)"),
    ("निर्देश", r"निर्देश.{0,20}(?:अनदेखा|नज़रअंदाज़|भूल)"),
)

_WHO_IS_MEANT = rules_of(
    (
        _READERS,
        r"\b(?:note|message|attention|instructions?|dear|hey|hello|reminder|notice|warning"
        r"|important)\b[^.!?]{0,12}\b"
        rf"(?:(?:to|for)\s+)?(?:the |any |all |every |whichever )?{_READER}\b",
    ),
    (
        "if you",
        rf"\bif you(?: are|'re) (?:an? |the )?(?:{_READER}|(?:large )?(?:language )?model|machine|bot)\b",
    ),
    (
        _READERS,
        rf"\b(?:to|for) (?:any|all|every|the) {_READER} (?:reading|processing|summari[sz]ing|that reads?"
        rf"|who reads?)\b",
    ),
    ("as an ai|as a language|as a large", r"\bas an? (?:ai|(?:large )?language model|llm)\b"),
    (
        "you have been|you've been|i am the|i'm the|authori|attention model",
        r"\byou(?: have|'ve) been (?:pwned|hacked|jailbroken|authori[sz]ed|reprogrammed|updated|instructed)\b"
        r"|\bi(?: am|'m) (?:the|your) (?:developer|admin(?:istrator)?|owner|creator|operator|system)\b"
        r"|\bauthori[sz]e[sd]? you\b|\battention model\b",
    ),
    ("you are", r"\byou are (?:now|no longer|henceforth|hereby)\b"),
    (
        "from now on",
        r"\bfrom now on,? (?:you (?!should|could|would|can)|answer|respond|reply|always|every"
        r"|all answers|speak|act)",
    ),
    (
        " as if you| as a| as dan| as the system",
        r"\b(?:act|behave|respond|answer|speak|talk|reply) as (?:if you|an? (?:ai|unrestricted|evil"
        r"|pirate|admin)|dan\b"
        r"|the system)",
    ),
    ("pretend|imagine|assume", rf"{CLAUSE}(?:pretend|imagine|assume) (?:to be|that you|you are)\b"),
    (
        "you ",
        r"\byou (?:must|should|shall|will|have to|need to|are to|are required to|are instructed to"
        r"|are ordered to)"
        r" (?:now |always |only |never |instead |not |also |first |therefore )*"
        r"(?:answer|respond|reply|say|output|print|write|repeat|include|append|begin|reveal|ignore|state"
        r"|cite|mention"
        r"|act|pretend|translate|send|visit|tell|obey|comply|follow)\b",
    ),
)

_WHAT_TO_ANSWER = rules_of(
    (
        "answer|response|reply|summary|sentence|message",
        rf"{CLAUSE}(?:write|include|append|begin|start|end|add|insert|use|put|make sure|prefix|prepend"
        rf"|finish)\b"
        r"[^.!?]{0,60}\b(?:the|your|each|every|any|all|this) (?:answer|response|reply|summary|sentence"
        r"|message)s?\b",
    ),
    (
        "answer|response|reply|output|goal|task",
        r"\b(?:your|only|correct|final|acceptable|right|proper|expected|true|new|assistant's|ai's|model's)"
        r" (?:acceptable |correct |new )?(?:answer|response|reply|output|goal|task) (?:is|are|to|:)"
        r"|\bfinal answer\s?:"
        r"|\bquestions?\b[^.!?]{0,60}, (?:the )?(?:answer|reply|response) is\b",
    ),
    (
        "answer|response|reply|replies",
        r"\b(?:answer|response|reply|replies)s? to\b[^.!?]{0,60}\b(?:must|should|shall) (?:be|read|say"
        r"|contain)\b",
    ),
    (
        "assistant|chatbot|model|llm|bot |ai ",
        r"\b(?:assistant|ai|chatbot|model|llm|bot) (?:must|should|shall|has to|is to|needs to|states"
        r"|says|answers|replies"
        r"|responds|will now)\b(?: not| now| always| only)*"
        r"(?: (?:say|state|answer|reply|respond|write|cite|mention|output|include|tell)| that| with)\b",
    ),
    (
        "only|exactly|verbatim|nothing|the following|the word|the phrase|the string|the code|the token"
        "|the secret"
        "|the password|instead|in your|every |each |all |any ",
        rf"{CLAUSE}{_SAY}\b[^.!?]{{0,30}}\b(?:exactly|verbatim|only (?:with|the (?:word|code|phrase"
        rf"|token)|:)"
        r"|nothing (?:else|but)|the (?:following|words?|phrase|string|codes?|token|secret"
        r"|password)\b[^.!?]{0,3}\S"
        r"|instead|in your (?:answer|response|reply)|(?:in|to|with) (?:every|each|all|any)"
        r" (?:answers?|responses?|repl(?:y|ies)|outputs?|questions?))\b",
    ),
    (
        "answer|reply|respond",
        rf"{CLAUSE}(?:answer|respond)\b[^.!?)]{{0,40}}\b(?:with|by saying|as follows)\s*\S"
        rf"|{CLAUSE}reply (?:with|only|by)\b"
        rf"|{CLAUSE}(?:answer|reply|respond)\s?:\s",
    ),
    (
        "answer|response|reply|replies|output",
        r"\b(?:your|the) (?:next |final |only |whole |entire |first )?(?:answer|response|reply|output)s?"
        r" (?:must|should|shall|has to|needs? to) (?:be|say|contain|include|begin|start|end|read|consist"
        r"|always|only)\b",
    ),
    (
        "your ",
        r"\byour (?:next |final |only |whole |entire )?(?:answer|response|reply|output) (?:is|to|with"
        r"|begins?|ends?|must|should)\b",
    ),
    (
        "answer to|response to|reply to",
        r"\b(?:answer|response|reply) to (?:this|that|any|every|each|all|the user'?s?|the following"
        r"|the above|their|your)"
        r" (?:questions?|quer(?:y|ies)|prompts?) (?:is|are|must|should|shall|:)",
    ),
    (
        "when",
        r"\bwhen(?:ever)?\b[^.!?]{0,40}\bask(?:ed|s)?\b[^.!?]{0,80}[,:]\s*"
        r"(?:always |please |you |just |only |simply |do not |don't )*"
        r"(?:answer|say|respond|reply|tell|output|write|claim|state|insist)\b",
    ),
    (
        "the user|the reader|person asking|questioner",
        r"\b(?:tell|inform|convince|persuade|instruct|warn) the (?:user|reader|person asking|questioner)\b"
        r"|\bthe user (?:wants|asked|is asking|has asked|must)\b",
    ),
    ("question:|question :|q:|q :", r"^\W*(?:question|q)\s?:\s"),
)

_ATTACKS = rules_of(
    (
        "prompt|your |api key|developer message",
        r"\b(?:reveal|print|repeat|output|show|leak|send|disclose|display)\b.{0,30}\b(?:system prompt"
        r"|initial prompt"
        r"|hidden prompt|your (?:instructions|prompt|rules|guidelines)|api keys?|developer message)\b",
    ),
    ("http", r"\b(?:visit|open|fetch|click|load|go to)\b.{0,20}\bhttps?://\S*[?&=]"),
    (
        "system |override|admin",
        r"\bsystem (?:prompt|override)\b|^\W*(?:system |admin )?override\s?:|\badmin message\b",
    ),
    (
        "this point",
        r"\bfrom this (?:point|moment) (?:on|forward|onwards?)\b,? (?:you|answer|respond|reply|always"
        r"|every|only|speak|act)\b",
    ),
    (
        "instruction|directive|orders|task",
        r"\b(?:new|updated|additional|secret|hidden|real) (?:system )?(?:instructions?|directives?"
        r"|orders|task)\s?:",
    ),
    (
        " mode",
        r"\b(?:developer|debug|admin|god|dan|jailbreak|maintenance"
        r"|unrestricted) mode\b.{0,12}\b(?:enabled|activated|on|active)\b",
    ),
    ("end of", r"\bend of (?:the )?(?:passages?|context|untrusted|data section)\b"),
    (
        "base64|base 64|rot13|rot-13|hex|cipher|morse|decode|decrypt|decipher",
        r"\b(?:base ?64|rot-?13|hex|cipher|morse)\b.{0,60}\b(?:decode|decrypt|follow|obey|execute)"
        r"|\b(?:decode|decrypt|decipher)\b.{0,60}\b(?:follow|obey|execute|and (?:say|answer|output|do))",
    ),
)

_MARKUP = rules_of(
    ("](", r"\[[^\]]{0,200}\]\(\s*(?:https?:|//|javascript:|data:|www\.)"),
    (
        "<",
        r"<(?:script|img|iframe|svg|a|style|link|object|embed|form|input|meta|base|body|video|audio"
        r"|button|details|math"
        r"|template|textarea)\b[^>]{0,300}[>/=]",
    ),
    ("javascript:", r"\bjavascript:"),
    ("=", r"\bon(?:error|load|click|mouseover|focus|toggle)\s*=\s*\S"),
    ("data:", r"\bdata:(?:text|image|application)/"),
)
"""A page or a chat window would load it or run it."""

ADDRESSES = _OVERRIDES + _WHO_IS_MEANT + _WHAT_TO_ANSWER + _ATTACKS + _MARKUP
"""A sentence speaks to the model, or to a browser. What follows in its paragraph may be more of it."""
