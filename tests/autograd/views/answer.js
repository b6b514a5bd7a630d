// Answers the tasks of test_javascript.py, one line of JSON each; the page's modules stand before it.
const told = (play, lang, narrator) => [0, ...play.moves.keys()].map((_, i) =>
    narrator.sentence(lang, play.momentAt(i)));
const numbers = (xs) => xs.map((x) => x === undefined ? null : String(x));
const tasks = {
  play: ({ mode, ending, acts, delta, leaf }, story, narrator) => {
    const plays = { backprop: () => payingBack(story, acts), naive: () => pathByPath(story),
      impatient: () => impatient(story, ending), nudge: () => nudge(story, leaf, delta) };
    const play = plays[mode]();
    const end = play.momentAt(play.moves.length);
    return { moves: play.moves.length, en: told(play, "en", narrator), zh: told(play, "zh", narrator),
      amounts: numbers(play.moves.map((move) => move.amount)), held: numbers(play.moves.map((move) => move.held)),
      formulas: play.moves.map((_, i) => narrator.formulas(play.momentAt(i + 1)).at(-1)).map(([t, w]) => fill(t, w)),
      totals: numbers(story.nodes.map(({ id }) => end.total(id))), used: end.used,
      states: story.nodes.map(({ id }) => end.state(id)), values: numbers(end.story.values) };
  },
  strides: ({ by }, story) => {
    const play = payingBack(story);
    const ends = [0];
    while (ends.at(-1) < play.moves.length) ends.push(play.strideEnd(ends.at(-1), by));
    const back = [play.moves.length];
    while (back.at(-1) > 0) back.push(play.strideStart(back.at(-1), by));
    return { ends, back: back.reverse(), groups: ends.slice(1).map((end, i) => {
      const now = play.momentAt(end, ends[i], by);
      return [[...now.actors], [...now.payees]]; }) };
  },
  retold: ({ given }, story) => {
    const other = story.retold(new Map(given.map(([id, x]) => [id, Number(x)])));
    return { values: numbers(other.values), totals: numbers(other.totals) };
  },
  read: ({ texts }) => texts.map((text) => { const r = readNumber(text); return r.wrong ?? String(r.number); }),
  link: ({ hash }, own, narrator, data) => {
    const first = { taken: 0, mode: "backprop", by: "edge", level: 0, ending: "pile", boxes: new Set(), acts: [], given: new Map(), predict: false, leaf: 0, delta: 0.3, lang: "en" };
    return writeLink({ ...first, ...readLink(hash, { own, data }) }, first);
  },
  questions: (_, story, narrator) => {
    const play = payingBack(story);
    return play.moves.map((move, at) => {
      const now = play.momentAt(at);
      const asked = question(now);
      if (!asked) return null;
      const wrong = asked.kind === "amount" ? [asked.right + 1, -asked.right] : asked.choices.filter((id) => !asked.ready.includes(id));
      return { kind: asked.kind, move: move.kind, right: judge(asked, asked.right, now).right,
        said: wrong.map((x) => { const j = judge(asked, x, now); return [j.right, narrator.ui("en", j.key, j.words)]; }) };
    });
  },
};
let text = "";
process.stdin.on("data", (part) => {
  text += part;
  for (let end; (end = text.indexOf("\n")) >= 0; text = text.slice(end + 1)) {
    const { task, data, kernels, ...asked } = JSON.parse(text.slice(0, end));
    let reply;
    try {
      const story = data && new Story(data.trace, new Function("basis", `${kernels} return KERNELS;`)(basis));
      reply = tasks[task](asked, story, data && new Narrator(data.told, data.templates), data);
    } catch (error) { reply = { error: error.stack }; }
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
});
