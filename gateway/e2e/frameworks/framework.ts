/** What the model asks for in one turn; null ends the run. */
export interface ToolCall {
  name: string
  args: Record<string, unknown>
}

/** The scripted model: asked once a turn with the text of every tool result in its prompt, oldest first. */
export type Script = (heard: readonly string[]) => ToolCall | null | Promise<ToolCall | null>

export interface Play {
  /** Of the gateway, without a slash at the end. */
  url: string
  token: string
  script: Script
  /** When the framework gives a tool call up, in milliseconds; its own default where absent. */
  toolTimeoutMs?: number
}

/** What the model was shown in the course of a run. */
export interface Played {
  /** Names of the tools in its first prompt. */
  offered: readonly string[]
  /** The text of the tool results in its last prompt, oldest first. */
  heard: readonly string[]
}

/** An agent framework with its own MCP client, run with a model that follows a script. */
export interface Framework {
  name: string
  play(play: Play): Promise<Played>
}

/** Keeps what a model is shown and numbers its calls; the same for every framework. */
export class Prompter {
  readonly #script: Script
  #offered: readonly string[] | undefined
  #heard: readonly string[] = []
  #calls = 0

  constructor(script: Script) {
    this.#script = script
  }

  async next(offered: readonly string[], heard: readonly string[]): Promise<(ToolCall & { id: string }) | null> {
    this.#offered ??= [...offered].sort()
    this.#heard = [...heard]
    const call = await this.#script(heard)
    return call && { ...call, id: `use_${++this.#calls}` }
  }

  get played(): Played {
    return { offered: this.#offered ?? [], heard: this.#heard }
  }
}
