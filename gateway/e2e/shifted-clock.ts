/** Loaded before everything else of a process (`--import`), it has its clock go wrong by as many milliseconds as its parent says: `{shiftMs}`. */
const real = Date.now.bind(Date)
let shiftMs = 0
Date.now = () => real() + shiftMs
process.on('message', (message: { shiftMs?: number }) => {
  shiftMs = message.shiftMs ?? shiftMs
})
