import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ApolloServer } from '@apollo/server'
import { expressMiddleware } from '@as-integrations/express5'
import express from 'express'
import { Pool } from 'undici'
import { apiKey } from '../organisation.ts'
import { ready } from './answers.ts'

/** Apollo Server as its documentation sets it up on Express, with one resolver that makes the same upstream call and nothing else. */
const typeDefs = `
  type Order { orderId: String, amount: Float, state: String }
  type Customer { customerId: String, name: String, region: String, balance: Float, tags: [String], orders: [Order] }
  type Query { crm_getCustomer(customerId: String!, limit: Int): Customer }`

const pool = new Pool(process.argv[2] ?? '', { connections: 128 })

const resolvers = {
  Query: {
    crm_getCustomer: async (_root: unknown, { customerId, limit }: { customerId: string; limit: number }) => {
      const path = `/customers/${encodeURIComponent(customerId)}?limit=${limit}`
      const { body } = await pool.request({ method: 'GET', path, headers: { accept: 'application/json', 'x-api-key': apiKey } })
      return await body.json()
    },
  },
}

const apollo = new ApolloServer({ typeDefs, resolvers, introspection: false, includeStacktraceInErrorResponses: false })
await apollo.start()
const app = express()
app.use('/graphql', express.json(), expressMiddleware(apollo))
const server = createServer(app)
server.keepAliveTimeout = 120_000
server.listen(0, '127.0.0.1', () => {
  ready(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
