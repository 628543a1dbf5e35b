import { Fragment } from 'react'
import { ScrollRegion } from '../ui/scroll-region.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { kindOf, wordsOf } from './source-tokens.ts'
import './source-text.css'

/** A line of a policy or test, its words coloured; where it holds anything but plain characters, as what is really there. */
export function SourceLine({ name, line }: { name: string; line: string }) {
  const text = line.replaceAll('\t', '  ')
  if (!/^[\x20-\x7e]*$/.test(text)) return <VisibleText text={text} />
  let at = 0
  const parts = [...text.matchAll(wordsOf(name))].map((match) => {
    const before = text.slice(at, match.index)
    at = match.index + match[0].length
    return (
      <Fragment key={match.index}>
        {before}
        <span className={`word-${kindOf(match)}`}>{match[0]}</span>
      </Fragment>
    )
  })
  return (
    <>
      {parts}
      {text.slice(at)}
    </>
  )
}

/** A text by lines. `first` is the number of its first line in its file, where lines are counted. */
export function SourceText({ name, text, first, marked }: { name: string; text: string; first?: number; marked?: number }) {
  const lines = text.replace(/\n$/, '').split('\n')
  return (
    <ScrollRegion className="source" label={name}>
      <pre>
        <code>
          {lines.map((line, index) => {
            const number = (first ?? 1) + index
            return (
              <span
                key={number}
                className={number === marked ? 'source-line source-line-marked' : 'source-line'}
                id={marked === undefined ? undefined : `line-${number}`}
              >
                {first !== undefined && <span className="line-number">{number}</span>}
                <SourceLine name={name} line={line} />
                {'\n'}
              </span>
            )
          })}
        </code>
      </pre>
    </ScrollRegion>
  )
}
