const NODE_MAJOR_MIN = 24

/** Ends the process with a sentence that helps where Node is too old. npm scripts bring their own Node 24 on Linux and Windows (x64, and arm64 on Linux). */
export function requireNode() {
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) return
  console.error(
    `Gatehouse needs Node ${NODE_MAJOR_MIN} or newer, this is ${process.version}. Run it through npm (npm start, npm test, npm run gatehouse -- ...), which brings its own Node after \`npm ci\`; where that has none for your system, install Node ${NODE_MAJOR_MIN}.`,
  )
  process.exit(1)
}
