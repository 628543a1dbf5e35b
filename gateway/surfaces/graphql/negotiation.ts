/** The two forms of GraphQL over HTTP; they differ only in what clients make of the status. */
export type MediaType = 'application/json' | 'application/graphql-response+json'

/**
 * The form to answer in (RFC 9110 12.5.1). Without `Accept` it is `application/json`, also where both are equally welcome;
 * null where neither is.
 */
export function negotiate(accept: string | undefined): MediaType | null {
  if (accept === undefined || accept.trim() === '') return 'application/json'
  const json = quality(accept, 'application/json')
  const graphql = quality(accept, 'application/graphql-response+json')
  if (json.q === 0 && graphql.q === 0) return null
  if (graphql.q !== json.q) return graphql.q > json.q ? 'application/graphql-response+json' : 'application/json'
  const named = graphql.precise && (!json.precise || graphql.at < json.at)
  return named ? 'application/graphql-response+json' : 'application/json'
}

interface Welcome {
  q: number
  precise: boolean
  at: number
}

/** The weight of the most precise range that takes the type. */
function quality(accept: string, type: MediaType): Welcome {
  let best: Welcome & { rank: number } = { q: 0, precise: false, at: 0, rank: 0 }
  for (const [at, range] of accept.toLowerCase().split(',').entries()) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim())
    const rank = name === type ? 3 : name === 'application/*' ? 2 : name === '*/*' ? 1 : 0
    if (rank <= best.rank) continue
    const charset = parameters.find((parameter) => parameter.startsWith('charset='))
    if (charset !== undefined && !/^charset="?utf-8"?$/.test(charset)) continue
    const weight = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1)
    best = { q: weight >= 0 && weight <= 1 ? weight : 0, precise: rank === 3, at, rank }
  }
  return best
}
