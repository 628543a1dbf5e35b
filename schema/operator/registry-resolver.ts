import { Arg, Ctx, ID, Mutation, Query, Resolver } from 'type-graphql'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { CredentialSetType, MeType } from './registry-types.ts'

const optional = { nullable: true } as const
const LOCAL_ERRORS = 'For the local operator credential only. Errors: FORBIDDEN, NOT_FOUND, BAD_INPUT, UNAVAILABLE.'

@Resolver()
export class RegistryResolver {
  @Query(() => MeType, { description: 'Who is signed in.' })
  me(@Ctx() { by }: OperatorContext): MeType {
    return new MeType(by)
  }

  @Mutation(() => ID, {
    description:
      'Starts a run whose labels begin with none: what the agent read before, for this subject, does not stick to it. The agent names the run that comes back in its calls. Errors: FORBIDDEN, NOT_FOUND, BAD_INPUT, UNAVAILABLE.',
  })
  startRun(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('agent', () => String) agent: string,
    @Arg('subject', () => String, optional) subject: string | null,
  ): Promise<string> {
    return cases.startRun(by, agent, subject ?? undefined)
  }

  @Mutation(() => String, { description: `An access token of an agent, from a development issuer. ${LOCAL_ERRORS}` })
  agentToken(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('agent', () => String) agent: string,
    @Arg('subject', () => String, optional) subject: string | null,
  ): Promise<string> {
    return cases.mintAgentToken(by, agent, subject ?? undefined)
  }

  @Mutation(() => String, { description: `An access token of a person, from a development issuer. ${LOCAL_ERRORS}` })
  userToken(@Ctx() { by, cases }: OperatorContext, @Arg('person', () => String) person: string): Promise<string> {
    return cases.mintPersonToken(by, person)
  }

  @Mutation(() => String, {
    description: `The address that signs a person in once, in a browser, within ten minutes; from a development issuer. ${LOCAL_ERRORS}`,
  })
  signInLink(@Ctx() { by, cases }: OperatorContext, @Arg('person', () => String) person: string): Promise<string> {
    return cases.mintSignInLink(by, person)
  }

  @Mutation(() => CredentialSetType, { description: `Seals a new version of a connector's credential. ${LOCAL_ERRORS}` })
  async setCredential(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('connector', () => String) connector: string,
    @Arg('credential', () => String) credential: string,
    @Arg('kind', () => String, { description: '`header`, `basic` or `query`.' }) kind: string,
    @Arg('header', () => String, { nullable: true, description: 'Header name; kind `header`.' }) header: string | null,
    @Arg('parameter', () => String, { nullable: true, description: 'Query parameter; kind `query`.' }) parameter: string | null,
    @Arg('value', () => String, { nullable: true, description: 'Kinds `header` and `query`.' }) value: string | null,
    @Arg('username', () => String, { nullable: true, description: 'Kind `basic`.' }) username: string | null,
    @Arg('password', () => String, { nullable: true, description: 'Kind `basic`.' }) password: string | null,
  ): Promise<CredentialSetType> {
    const given: JsonObject = { kind }
    for (const [name, text] of Object.entries({ header, parameter, value, username, password })) {
      if (text !== null && text !== undefined) given[name] = text
    }
    const { version } = await cases.setCredential(by, connector, credential, given)
    return new CredentialSetType(connector, credential, version)
  }
}
