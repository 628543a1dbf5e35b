import { readEnvironment } from '../config/environment.ts'
import { startGateway } from '../main.ts'

/**
 * A gateway in a process of its own that can be told to die: `{arm: stage}` over IPC makes it SIGKILL itself when the next call reaches that border
 * between stages. Says `{url}` once it serves and `{armed: stage}` once it is armed.
 */
const [configFile = '', dataDir = ''] = process.argv.slice(2)
let armed: string | undefined
const gateway = await startGateway({
  configFile,
  dataDir,
  host: '127.0.0.1',
  port: 0,
  environment: readEnvironment(),
  logStream: { write: () => {} },
  onStage: (stage) => {
    if (stage === armed) process.kill(process.pid, 'SIGKILL')
  },
})
process.on('message', (message: { arm: string }) => {
  armed = message.arm
  process.send?.({ armed })
})
process.on('disconnect', () => void gateway.close())
process.send?.({ url: gateway.url })
