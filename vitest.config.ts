import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['{gateway,connectors,schema,policies,examples,bench}/**/*.test.ts'],
    globalSetup: ['tools/build-first.mjs'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    server: { deps: { inline: [/type-graphql/] } },
  },
})
