"""The peer of `wdistill serve`: CTranslate2 behind FastAPI, as its users write it.

Settings come from the environment: MODEL (a folder that `wdistill export --format ctranslate2` wrote), THREADS, BEAM,
BATCHING (`none`: each request is translated by itself on a thread of its own; `gather`: what waits is translated together,
up to 64 requests at a time).
"""

import asyncio
import os

import ctranslate2
import sentencepiece
from fastapi import FastAPI
from pydantic import BaseModel

MODEL, BEAM = os.environ["MODEL"], int(os.environ["BEAM"])
TOGETHER = 64

source = sentencepiece.SentencePieceProcessor(os.path.join(MODEL, "source.spm"))
target = sentencepiece.SentencePieceProcessor(os.path.join(MODEL, "target.spm"))
translator = ctranslate2.Translator(
    MODEL, inter_threads=int(os.environ["THREADS"]), intra_threads=1, compute_type=os.environ["TYPE"]
)
app = FastAPI()
waiting: asyncio.Queue = asyncio.Queue()


class Request(BaseModel):
    q: str
    source: str
    target: str


def translate_all(texts):
    pieces = source.encode(texts, out_type=str)
    results = translator.translate_batch(
        pieces, beam_size=BEAM, max_batch_size=2048, batch_type="tokens", max_decoding_length=512
    )
    return [target.decode(result.hypotheses[0]) for result in results]


async def worker():
    loop = asyncio.get_running_loop()
    while True:
        together = [await waiting.get()]
        while len(together) < TOGETHER and not waiting.empty():
            together.append(waiting.get_nowait())
        texts = [text for text, _ in together]
        for (_, answer), translation in zip(together, await loop.run_in_executor(None, translate_all, texts)):
            answer.set_result(translation)


@app.on_event("startup")
async def start():
    if os.environ["BATCHING"] == "gather":
        app.state.workers = [asyncio.create_task(worker()) for _ in range(int(os.environ["THREADS"]))]


if os.environ["BATCHING"] == "gather":

    @app.post("/translate")
    async def translate(request: Request):
        answer = asyncio.get_running_loop().create_future()
        waiting.put_nowait((request.q, answer))
        return {"translatedText": await answer}

else:

    @app.post("/translate")
    def translate(request: Request):
        return {"translatedText": translate_all([request.q])[0]}
