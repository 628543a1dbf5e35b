/** Null when the answer is due, after `answerMsMax`, before it is known. What the promise does later is its own business: it never rejects unheard. */
export async function inTime<T>(answer: Promise<T>, answerMsMax: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  const due = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), answerMsMax)
  })
  try {
    return await Promise.race([answer, due])
  } finally {
    clearTimeout(timer)
  }
}
