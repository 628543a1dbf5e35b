import { hasInstructionPhrase } from './phrase-finder.ts'
import { wordForm } from './visible-form.ts'

/** Whether a text in visible form holds what is addressed to a model: marks of a conversation's roles, calls of tools, words that take over. Linear. */
export function hasInstructionMarkup(visible: string): boolean {
  if (MARKUP.some((pattern) => pattern.test(visible)) || isToolCall(visible)) return true
  const words = wordForm(visible)
  // Tags may stand between words and inside of them.
  return hasInstructionPhrase(words) || (words.includes('<') && hasInstructionPhrase(words.replace(TAG, '')))
}

const TAG = /<\/?[a-z][^<>]{0,60}>/g

/** Only bounded repetition, after something that cannot repeat inside itself. */
const MARKUP: readonly RegExp[] = [
  // Chat templates: ChatML, Llama, Gemma, Mistral, Phi, DeepSeek, Claude.
  /<[|｜]\s{0,2}(?:im_start|im_end|im_sep|system|user|assistant|end|endoftext|eot_id|eom_id|start_header_id|end_header_id|begin_of_text|end_of_text|python_tag|tool_calls?_begin|begin[_▁]of[_▁]sentence|end[_▁]of[_▁]sentence|startoftext)\s{0,2}[|｜]>/i,
  /<[|｜](?:User|Assistant|System)[|｜]>/i,
  /<(?:start|end)_of_turn>/i,
  /\[\/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]/,
  /<<\/?SYS>>/,
  /(?:^|\n)\s{0,4}#{1,4} {0,2}(?:system|system prompt|system message|system instructions?|assistant)\s{0,2}:/i,
  /(?:^|\n)### (?:Instruction|Response):\s{0,2}\n/,
  /(?:^|\n)\s{0,4}(?:#{1,4} )?(?:new|updated|override|important|hidden) (?:system (?:instructions?|prompt)|(?:instructions?|prompt) for (?:the |an |all |any )?(?:ai|llm|language model|assistant|model)s?)/i,
  /(?:^|\n)\s{0,4}\[?(?:system (?:prompt|message|override|note|instruction)|admin override|developer message)\]? {0,2}:/i,
  /\[(?:system|assistant|system (?:message|prompt|note|override))\] {0,2}[:\n]/i,
  /(?:^|\n)\n?human: [^\n]{1,2000}\n{1,3}assistant:/i,
  // Tags that frame what a model is told, or calls of its tools.
  /<\/?(?:antml:)?(?:system|SYSTEM|system[_-]?(?:prompt|message|reminder|instructions?)|assistant|function_calls?|function_results?|tool_calls?|tool_results?|tool_use|tool_code|invoke name="[^"<>]{0,80}")\s{0,4}>/,
]

const EXFILTRATION: readonly RegExp[] = [
  // A picture whose address carries data away as soon as it is shown.
  /!\[[^\][\n]{0,200}\]\(\s{0,4}<?(?:https?:)?\/\/[^\s)([\]<>?&=]{1,300}[?&=]/i,
  /!\[[^\][\n]{0,200}\]\(\s{0,4}<?(?:https?:)?\/\/[^\s)([\]<>]{0,300}(?:\{|%7B|\$\{|<)/i,
  /<img\s[^<>]{0,300}src\s{0,2}=\s{0,2}["']?(?:https?:)?\/\/[^\s"'<>?]{1,300}\?[^\s"'<>]{0,300}=/i,
]

/** Parts of a call as models write it; one alone is ordinary JSON. */
const TOOL_CALLS: readonly (readonly RegExp[])[] = [
  [/["'](?:tool_calls?|function_call)["']\s{0,8}:\s{0,8}[[{]/],
  [/["']type["']\s{0,8}:\s{0,8}["'](?:tool_use|tool_call|tool_result|function_call)["']/],
  [/["']method["']\s{0,8}:\s{0,8}["'](?:tools\/call|sampling\/createMessage|elicitation\/create)["']/],
  [/["']role["']\s{0,8}:\s{0,8}["'](?:system|developer)["']/, /["']content["']\s{0,8}:/],
  [
    /["'](?:name|tool|tool_name|function|recipient_name)["']\s{0,8}:\s{0,8}["'][\w./:-]{1,100}["']\s{0,8},\s{0,8}["'](?:arguments|parameters|input|tool_input|args)["']\s{0,8}:\s{0,8}[{"']/,
  ],
  [
    /["'](?:tool|tool_name|function|recipient_name)["']\s{0,8}:\s{0,8}["'][\w./:-]{1,100}["']/,
    /["'](?:arguments|parameters|tool_input|args)["']\s{0,8}:\s{0,8}[{"']/,
  ],
]

function isToolCall(text: string): boolean {
  if (EXFILTRATION.some((pattern) => pattern.test(text))) return true
  return TOOL_CALLS.some((parts) => parts.every((pattern) => pattern.test(text)))
}
