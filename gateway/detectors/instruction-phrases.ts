/**
 * Sentences that speak to a model instead of a reader, by language. A row matches where its parts follow each other in this order with at most
 * `WORDS_BETWEEN` words between them; where a language is written without blanks or joins words, its parts may stand anywhere, at most `CHARS_BETWEEN`
 * characters apart. In word form: lower case, without accents; `*` ends a stem.
 */
export interface PhraseFamily {
  readonly language: string
  readonly parts: readonly (readonly string[])[]
  /** Whether `not` and its like before the first part turn it into an ordinary sentence: never ignore the instructions. */
  readonly negatable?: true
}

export const WORDS_BETWEEN = 4
export const CHARS_BETWEEN = 16
export const NEGATIONS: ReadonlySet<string> = new Set([
  ...[
    'not',
    "don't",
    'dont',
    'never',
    'nicht',
    'nie',
    'niemals',
    'pas',
    'no',
    'nunca',
    'non',
    'mai',
    'nao',
    'niet',
    'nooit',
    'не',
    'никогда',
  ],
])

/** What was said before shall not count. */
const IGNORING: readonly PhraseFamily[] = [
  {
    language: 'en',
    parts: [
      words('ignore ignoring disregard forget override overrule bypass discard dismiss').concat(
        'do not follow',
        "don't follow",
        'stop following',
      ),
      words('previous previously prior above earlier preceding foregoing former existing original initial all any your system'),
      words('instruction* prompt* guideline* directive* programming guardrail*').concat('system message*', 'what you were told'),
    ],
  },
  {
    language: 'de',
    parts: [
      words('ignorier* vergiss vergesse* missachte* ubergeh* verwirf*'),
      words('vorherige* vorigen bisherige* obige* fruhere* alle deine* vorangehende* vorangegangene*'),
      words('anweisung* instruktion* vorgabe* prompt* systemprompt* richtlinie*'),
    ],
  },
  {
    language: 'fr',
    parts: [
      words('ignore* oublie* neglige*').concat('ne tiens pas compte', 'ne tenez pas compte'),
      words('toutes precedente* anterieure* tes vos les'),
      words('instruction* consigne* directive* prompt*'),
    ],
  },
  {
    language: 'es',
    parts: [
      words('ignora* ignore* olvida* descarta*').concat('haz caso omiso', 'no sigas'),
      words('las los tus sus todas cualquier'),
      words('instruccion* indicacion* directri* prompt*'),
    ],
  },
  {
    language: 'it',
    parts: [words('ignora* dimentica* trascura*').concat('non seguire'), words('le tutte tue ogni'), words('istruzion* direttiv* prompt*')],
  },
  {
    language: 'pt',
    parts: [
      words('ignore* ignora* esqueca* esquece* desconsidere*').concat('nao siga'),
      words('as os todas suas quaisquer'),
      words('instruc* orientac* diretriz* prompt*'),
    ],
  },
  {
    language: 'nl',
    parts: [
      words('negeer* vergeet'),
      words('vorige eerdere bovenstaande alle jouw voorgaande'),
      words('instructie* aanwijzing* richtlijn* prompt* opdrachten'),
    ],
  },
  {
    language: 'pl',
    parts: [
      words('zignoruj* ignoruj* zapomnij* pomin*'),
      words('poprzedni* wszystkie wszystkich wczesniejsz* powyzsz*'),
      words('instrukcj* polece* wytyczn* prompt*'),
    ],
  },
  {
    language: 'tr',
    parts: [
      words('onceki yukaridaki tum butun'),
      words('talimat* yonerge* komut* prompt*'),
      words('yoksay* unut*').concat('yok say', 'gormezden gel', 'dikkate alma'),
    ],
  },
  {
    language: 'ru',
    parts: [
      words('игнорируй* проигнорируй* забудь* отмени*').concat('не следуй'),
      words('предыдущ* все всех вышеуказанн* прежн*'),
      words('инструкци* указани* промпт*'),
    ],
  },
  { language: 'uk', parts: [words('ігноруй* проігноруй* забудь*'), words('попередн* усі всі'), words('інструкці* вказівк* промпт*')] },
  {
    language: 'zh',
    parts: [
      words('忽略 无视 忘记 忽視 無視 不要遵守 不要理会'),
      words('之前 以上 上述 先前 所有 前面 你的 系统 系統'),
      words('指令 指示 提示 规则 規則 设定 設定'),
    ],
  },
  {
    language: 'ja',
    parts: [words('これまで 以前 上記 前の 以上 すべて 全て'), words('指示 命令 プロンプト 指令'), words('無視 忘れ 従わない')],
  },
  { language: 'ko', parts: [words('이전 위의 모든 앞선 기존'), words('지시 명령 프롬프트 지침'), words('무시 잊어 따르지')] },
  { language: 'ar', parts: [words('تجاهل انس تجاوز'), words('التعليمات الأوامر الاوامر'), words('السابقة السابقه أعلاه')] },
  { language: 'he', parts: [words('התעלם התעלמי התעלמו שכח'), words('הוראות הנחיות'), words('הקודמות לעיל')] },
  { language: 'hi', parts: [words('पिछले पिछली उपरोक्त सभी'), words('निर्देश आदेश'), words('अनदेखा नजरअंदाज भूल')] },
  {
    language: 'vi',
    parts: [
      ['bo qua', 'quen'],
      ['tat ca', 'cac', 'moi'],
      ['huong dan', 'chi thi'],
    ],
  },
  { language: 'id', parts: [words('abaikan lupakan'), words('semua seluruh'), words('instruksi perintah')] },
]

const OTHERS: readonly PhraseFamily[] = [
  // A new part to play.
  { language: 'en', parts: [['from now on you', 'henceforth you'], words('are will must act respond behave have')] },
  { language: 'en', parts: [['you are no longer'], ['bound', 'restricted', 'an assistant', 'an ai', 'subject to']] },
  {
    language: 'en',
    parts: [
      ['you are now', 'act as', 'pretend to be', 'pretend you are', 'enter', 'enable', 'switch to', 'activate'],
      words('jailbroken unrestricted uncensored').concat(
        'developer mode',
        'god mode',
        'admin mode',
        'without restrictions',
        'do anything now',
      ),
    ],
  },
  {
    language: 'de',
    parts: [
      ['ab sofort', 'von jetzt an', 'von nun an'],
      ['bist du', 'wirst du', 'musst du', 'sollst du', 'handelst du'],
    ],
  },
  {
    language: 'fr',
    parts: [
      ['desormais', 'a partir de maintenant'],
      ['tu es', 'tu dois', 'tu agis'],
    ],
  },
  { language: 'es', parts: [['a partir de ahora', 'desde ahora'], words('eres debes actua* seras')] },
  { language: 'zh', parts: [words('从现在开始 從現在開始 从现在起'), words('你是 你要 你必须 你将 你將 你必須')] },

  // What stands behind the conversation shall be told.
  {
    language: 'en',
    parts: [
      words('reveal print repeat show output display leak disclose send').concat('tell me', 'give me', 'what is', 'what are'),
      ['your'],
      ['system prompt', 'system message', 'initial prompt', 'initial instruction*', 'hidden instruction*', 'original instruction*'],
    ],
  },
  {
    language: 'de',
    parts: [words('zeig* nenne verrate wiederhole sende schick*'), words('dein* dem den'), words('systemprompt* systemanweisung*')],
  },

  // People shall not learn of it.
  {
    language: 'en',
    parts: [
      ['do not', "don't", 'never', 'without'],
      words('tell telling inform informing mention mentioning notify notifying'),
      ['the user', 'the human', 'the operator', 'your operator', 'your owner', 'this instruction', 'these instruction*', 'this prompt'],
    ],
  },
  {
    language: 'de',
    parts: [
      ['ohne', 'nicht'],
      ['den benutzer', 'dem benutzer', 'den nutzer', 'dem nutzer'],
      words('informieren informiere sagen mitteilen erwahnen'),
    ],
  },

  // A model is spoken to.
  {
    language: 'en',
    parts: [
      ['if you are', 'attention', 'note to', 'message to', 'message for', 'instruction* for', 'instruction* to'],
      ['ai', 'an ai', 'ai assistant*', 'ai agent*', 'ai model*', 'language model*', 'llm*', 'chatbot*'],
      words('must should shall please reading processing you ignore follow send execute always reviewing summarizing summarising'),
    ],
  },
  {
    language: 'de',
    parts: [
      ['wenn du', 'falls du', 'hinweis an', 'hinweis fur', 'achtung', 'nachricht an'],
      words('ki sprachmodell* llm*').concat('ki assistent*', 'ki agent*', 'ki modell*'),
      words('bist liest musst sollst ignoriere sende uberweise'),
    ],
  },
]

export const PHRASES: readonly PhraseFamily[] = [...IGNORING.map((family) => ({ ...family, negatable: true as const })), ...OTHERS]

function words(list: string): string[] {
  return list.split(' ')
}
