/** The process environment as a value: read here and nowhere else. */
export type Environment = Readonly<Record<string, string | undefined>>

export const readEnvironment = (): Environment => ({ ...process.env })
