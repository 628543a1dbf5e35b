import { Ctx, Field, GraphQLISODateTime, ID, InputType, Int, ObjectType } from 'type-graphql'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import type { PolicyActivation, PolicyProposal, StoredPolicySet } from '../../gateway/ports/policy-sets.ts'
import { isLibraryFile, type PolicyFile, type PolicyTests } from '../../gateway/ports/policy-source.ts'
import type { PublicationStatus } from '../../gateway/ports/publisher.ts'
import { ActivationSourceEnum, PolicyChangeEnum, ProposalStateEnum } from './enums.ts'
import { spend } from './looks.ts'
import { PolicyType } from './registry-types.ts'

@InputType('PolicyFileInput', { description: 'A file of a proposal.' })
export class PolicyFileInput {
  @Field(() => String, { description: 'Policies: `org.cedar`, or `<connector>.cedar`. Tests: any name.' })
  name!: string
  @Field(() => String)
  text!: string
}

@ObjectType('PolicyTestFile', { description: 'A file of policy tests, in the format of `cedar run-tests`.' })
export class PolicyTestFileType {
  @Field(() => String)
  readonly name: string
  @Field(() => String)
  readonly text: string

  constructor({ path, text }: PolicyTests) {
    this.name = path
    this.text = text
  }
}

@ObjectType('PolicyFile', { description: 'A file of a policy set.' })
export class PolicyFileType {
  @Field(() => String, { description: 'Where it lay, or the name it was proposed under.' })
  readonly path: string
  @Field(() => String, { nullable: true, description: 'The connector that its policies are about; null for the organisation.' })
  readonly connector: string | null
  @Field(() => Boolean, { description: 'Made from a rule of the library: it is configured, and in no draft.' })
  readonly library: boolean
  @Field(() => String)
  readonly text: string

  constructor(file: PolicyFile) {
    this.path = file.path
    this.connector = file.connector
    this.library = isLibraryFile(file)
    this.text = file.text
  }
}

@ObjectType('PolicySet', { description: 'A policy set as it was stored; it never changes.' })
export class PolicySetType {
  readonly #set: StoredPolicySet

  constructor(set: StoredPolicySet) {
    this.#set = set
  }

  @Field(() => ID, { description: 'SHA-256, hexadecimal: decisions name their set by it.' })
  get hash(): string {
    return this.#set.hash
  }

  @Field(() => [PolicyFileType], { description: 'The texts, whole.' })
  get files(): PolicyFileType[] {
    return this.#set.files.map((file) => new PolicyFileType(file))
  }

  @Field(() => String, { nullable: true, description: 'Text of `facts.yaml`.' })
  get facts(): string | null {
    return this.#set.facts?.text ?? null
  }

  @Field(() => [PolicyType])
  get policies(): PolicyType[] {
    return this.#set.policies.map((policy) => new PolicyType(policy))
  }

  @Field(() => GraphQLISODateTime)
  get storedAt(): Date {
    return new Date(this.#set.storedAt)
  }
}

/** A set may be a megabyte of text, and counts as that many objects. */
const LOADS_A_SET = 100

const setOf = async (context: OperatorContext, hash: string): Promise<PolicySetType | null> => {
  spend(context, LOADS_A_SET)
  const set = await context.cases.policySet(context.by, hash)
  return set ? new PolicySetType(set) : null
}

@ObjectType('PolicyActivation', { description: 'A set that became active, and how.' })
export class PolicyActivationType {
  readonly #activation: PolicyActivation

  constructor(activation: PolicyActivation) {
    this.#activation = activation
  }

  @Field(() => ID)
  get policySet(): string {
    return this.#activation.policySet
  }

  @Field(() => PolicySetType, { nullable: true })
  set(@Ctx() context: OperatorContext): Promise<PolicySetType | null> {
    return setOf(context, this.#activation.policySet)
  }

  @Field(() => ID, { nullable: true, description: 'The set that it replaced.' })
  get base(): string | null {
    return this.#activation.base
  }

  @Field(() => ActivationSourceEnum)
  get source(): string {
    return this.#activation.source
  }

  @Field(() => Boolean, { description: 'A set that was active before was put back.' })
  get rollBack(): boolean {
    return this.#activation.rollBack
  }

  @Field(() => String, { description: 'Who proposed it, or rolled it back; `gatehouse` for files and connectors.' })
  get by(): string {
    return this.#activation.by
  }

  @Field(() => String, { nullable: true })
  get reviewer(): string | null {
    return this.#activation.reviewer
  }

  @Field(() => String, { nullable: true })
  get why(): string | null {
    return this.#activation.why
  }

  @Field(() => ID, { nullable: true })
  get proposal(): string | null {
    return this.#activation.proposal
  }

  @Field(() => GraphQLISODateTime)
  get at(): Date {
    return new Date(this.#activation.at)
  }
}

@ObjectType('PolicyProposal', { description: 'Texts that somebody proposes in place of the active ones.' })
export class PolicyProposalType {
  readonly #proposal: PolicyProposal

  constructor(proposal: PolicyProposal) {
    this.#proposal = proposal
  }

  @Field(() => ID)
  get id(): string {
    return this.#proposal.id
  }

  @Field(() => PolicyChangeEnum)
  get change(): string {
    return this.#proposal.change
  }

  @Field(() => ProposalStateEnum)
  get state(): string {
    return this.#proposal.state
  }

  @Field(() => ID)
  get policySet(): string {
    return this.#proposal.policySet
  }

  @Field(() => PolicySetType, { nullable: true, description: 'The proposed texts.' })
  set(@Ctx() context: OperatorContext): Promise<PolicySetType | null> {
    return setOf(context, this.#proposal.policySet)
  }

  @Field(() => ID, { description: 'The set that it was built upon: only while that is active can it be approved.' })
  get base(): string {
    return this.#proposal.base
  }

  @Field(() => PolicySetType, { nullable: true, description: 'The texts that it was built upon.' })
  baseSet(@Ctx() context: OperatorContext): Promise<PolicySetType | null> {
    return setOf(context, this.#proposal.base)
  }

  @Field(() => [PolicyTestFileType], { nullable: true, description: 'The tests that it came with; null where none are kept.' })
  async tests(@Ctx() context: OperatorContext): Promise<PolicyTestFileType[] | null> {
    spend(context, LOADS_A_SET)
    const tests = await context.cases.proposalTests(context.by, this.#proposal.id)
    return tests?.map((file) => new PolicyTestFileType(file)) ?? null
  }

  @Field(() => String)
  get by(): string {
    return this.#proposal.by
  }

  @Field(() => String)
  get note(): string {
    return this.#proposal.note
  }

  @Field(() => [String], { description: 'What the checks remarked on.' })
  get remarks(): readonly string[] {
    return this.#proposal.remarks
  }

  @Field(() => String, { nullable: true })
  get reviewer(): string | null {
    return this.#proposal.reviewer
  }

  @Field(() => String, { nullable: true })
  get comment(): string | null {
    return this.#proposal.comment
  }

  @Field(() => GraphQLISODateTime)
  get proposedAt(): Date {
    return new Date(this.#proposal.proposedAt)
  }

  @Field(() => GraphQLISODateTime, { nullable: true })
  get decidedAt(): Date | null {
    return this.#proposal.decidedAt === null ? null : new Date(this.#proposal.decidedAt)
  }
}

@ObjectType('PolicyReview')
export class PolicyReviewType {
  @Field(() => PolicyProposalType)
  readonly proposal: PolicyProposalType
  @Field(() => Int, { nullable: true, description: 'Milliseconds until the set bound on every replica; null where it was rejected.' })
  readonly boundAfterMs: number | null

  constructor(proposal: PolicyProposal, boundAfterMs: number | null) {
    this.proposal = new PolicyProposalType(proposal)
    this.boundAfterMs = boundAfterMs
  }
}

@ObjectType('PolicyRollBack')
export class PolicyRollBackType {
  @Field(() => PolicyProposalType, { nullable: true, description: 'For somebody else to review; null in an emergency.' })
  readonly proposal: PolicyProposalType | null
  @Field(() => Int, {
    nullable: true,
    description: 'Milliseconds until the set bound on every replica; null where it waits for its review.',
  })
  readonly boundAfterMs: number | null

  constructor(proposal: PolicyProposal | null, boundAfterMs: number | null) {
    this.proposal = proposal && new PolicyProposalType(proposal)
    this.boundAfterMs = boundAfterMs
  }
}

@ObjectType('PolicyFault', { description: 'A fault of an edited policy file.' })
export class PolicyFaultType {
  @Field(() => String, { description: '`file:line:column`.' })
  readonly place: string
  @Field(() => String)
  readonly message: string

  constructor(place: string, message: string) {
    this.place = place
    this.message = message
  }
}

@ObjectType('PolicyStatus', { description: 'How this process stands to the set that binds.' })
export class PolicyStatusType {
  readonly #status: PublicationStatus

  constructor(status: PublicationStatus) {
    this.#status = status
  }

  @Field(() => ID, { nullable: true, description: 'The set that binds on every replica.' })
  get active(): string | null {
    return this.#status.active
  }

  @Field(() => ID, { description: 'The set that this process decides on.' })
  get decidesOn(): string {
    return this.#status.decidesOn
  }

  @Field(() => String, { nullable: true, description: 'Why it is another one: calls are refused until it no longer is.' })
  get behind(): string | null {
    return this.#status.behind
  }

  @Field(() => [PolicyFaultType], { description: 'Why edited policy files were not taken over.' })
  get fileFaults(): PolicyFaultType[] {
    return this.#status.fileFaults.map(({ pointer, message }) => new PolicyFaultType(pointer, message))
  }
}
