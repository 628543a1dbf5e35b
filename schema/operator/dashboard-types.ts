import {
  type GraphQLNamedType,
  type GraphQLSchema,
  type GraphQLType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  isScalarType,
} from 'graphql'

/**
 * The schema as a TypeScript type in the form that `gql.tada` reads, from which the dashboard infers variables and answers of its documents. Text of a
 * whole module.
 */
export function dashboardTypes(schema: GraphQLSchema): string {
  const types = Object.values(schema.getTypeMap())
    .filter(({ name }) => !name.startsWith('__'))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((type) => `  '${type.name}': ${typeText(type)};`)
  const root = (type: { name: string } | null | undefined): string => (type ? `'${type.name}'` : 'never')
  return `// Written by \`npm run sdl\` from schema/operator/: change it there.

export type introspection = {
  name: never;
  query: ${root(schema.getQueryType())};
  mutation: ${root(schema.getMutationType())};
  subscription: ${root(schema.getSubscriptionType())};
  types: IntrospectionTypes;
};

type IntrospectionTypes = {
${types.join('\n')}
};
`
}

function typeText(type: GraphQLNamedType): string {
  if (isEnumType(type)) {
    const values = type.getValues().map(({ name }) => `'${name}'`)
    return `{ name: '${type.name}'; enumValues: ${values.join(' | ')}; }`
  }
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).map(
      (field) => `{ name: '${field.name}'; type: ${refText(field.type)}; defaultValue: null }`,
    )
    return `{ kind: 'INPUT_OBJECT'; name: '${type.name}'; isOneOf: false; inputFields: [${fields.join(', ')}]; }`
  }
  if (isObjectType(type)) {
    const fields = Object.values(type.getFields()).map(
      (field) => `'${field.name}': { name: '${field.name}'; type: ${refText(field.type)} }`,
    )
    return `{ kind: 'OBJECT'; name: '${type.name}'; fields: { ${fields.join('; ')} }; }`
  }
  return 'unknown'
}

function refText(type: GraphQLType): string {
  if (isNonNullType(type)) return `{ kind: 'NON_NULL'; name: never; ofType: ${refText(type.ofType)}; }`
  if (isListType(type)) return `{ kind: 'LIST'; name: never; ofType: ${refText(type.ofType)}; }`
  const kind = isScalarType(type) ? 'SCALAR' : isEnumType(type) ? 'ENUM' : isInputObjectType(type) ? 'INPUT_OBJECT' : 'OBJECT'
  return `{ kind: '${kind}'; name: '${type.name}'; ofType: null; }`
}
