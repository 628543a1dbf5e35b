import type { JsonValue } from '../graphql.ts'
import { texts } from '../texts.ts'
import { VisibleText } from '../ui/visible-text.tsx'
import { humanised, isRecord } from '../words.ts'

/** The schema of one place, as far as it helps a reader. */
interface PlaceSchema {
  title?: string
  description?: string
  properties: { [key: string]: JsonValue }
  items: JsonValue
}

function readSchema(schema: JsonValue | undefined): PlaceSchema {
  if (!isRecord(schema)) return { properties: {}, items: null }
  return {
    ...(typeof schema.title === 'string' && { title: schema.title }),
    ...(typeof schema.description === 'string' && { description: schema.description }),
    properties: isRecord(schema.properties) ? schema.properties : {},
    items: schema.items ?? null,
  }
}

/** Arguments as a form that is read: every one of them, whole, in the order of the schema. */
export function ArgumentsView({ value, schema }: { value: JsonValue; schema: JsonValue | undefined }) {
  if (isRecord(value)) return <Fields value={value} schema={readSchema(schema)} />
  if (Array.isArray(value)) return <Items value={value} schema={readSchema(schema)} />
  if (typeof value === 'string') return value === '' ? <span className="quiet">""</span> : <VisibleText text={value} />
  return <span className="value-plain">{String(value)}</span>
}

function Fields({ value, schema }: { value: { [key: string]: JsonValue }; schema: PlaceSchema }) {
  const known = Object.keys(schema.properties)
  const keys = [...known.filter((key) => Object.hasOwn(value, key)), ...Object.keys(value).filter((key) => !known.includes(key))]
  if (keys.length === 0) return <span className="quiet">{texts.hold.noArguments}</span>
  return (
    <dl className="fields">
      {keys.map((key) => {
        const { title, description } = readSchema(schema.properties[key])
        return (
          <div key={key}>
            <dt title={description}>{title ?? (known.includes(key) ? humanised(key) : <VisibleText text={key} />)}</dt>
            <dd>
              <ArgumentsView value={value[key] ?? null} schema={schema.properties[key]} />
            </dd>
          </div>
        )
      })}
    </dl>
  )
}

function Items({ value, schema }: { value: readonly JsonValue[]; schema: PlaceSchema }) {
  const rows = value.map((item, at) => ({ item, key: `${at}` }))
  return (
    <ol className="items">
      {rows.map(({ item, key }) => (
        <li key={key}>
          <ArgumentsView value={item} schema={schema.items} />
        </li>
      ))}
    </ol>
  )
}
