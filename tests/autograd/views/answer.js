// Answers the tasks of test_javascript.py, one line of JSON each; the page's modules stand before it.
const told = (play, lang, narrator) => [0, ...play.moves.keys()].map((_, i) =>
    narrator.sentence(lang, play.momentAt(i)));
const numbers = (xs) => xs.map((x) => x === undefined ? null : String(x));
const playOf = ({ mode = "backprop", ending, acts, delta, leaf }, story) => ({
  backprop: () => payingBack(story, acts), naive: () => pathByPath(story),
  impatient: () => impatient(story, ending), nudge: () => nudge(story, leaf, delta) })[mode]();
const look = (now) => ({
  nodes: now.story.nodes.map(({ id }) => ({ state: now.state(id), known: now.known(id), heard: now.heard(id).join("/"), pile: numbers(now.pile(id)),
    total: numbers([now.total(id)])[0], gradient: numbers([now.gradient(id)])[0], value: String(now.story.values[id]) })),
  used: now.used, done: now.done, times: now.story.edges.map(({ id }) => now.times(id)), walked: now.story.edges.map(({ id }) => now.isUsed(id)),
  actors: [...now.actors], payees: [...now.payees], lines: [...now.lines], edges: now.edges.map(({ id }) => id),
  carried: numbers(now.edges.map((edge) => now.amount(edge))) });
/** What a viewer could see of each node and each edge. */
const seen = (now) => {
  const { nodes, times, walked, actors, payees, lines, edges } = look(now);
  return { nodes: nodes.map((node, id) => JSON.stringify([node, [actors, payees, lines].map((ids) => ids.includes(id)), now.arrived(id)])),
    edges: now.story.edges.map(({ id, from }) => JSON.stringify([times[id], walked[id], edges.includes(id), now.known(from)])) };
};
const apart = (one, other) => one.map((text, id) => text === other[id] ? -1 : id).filter((id) => id >= 0);
const tasks = {
  play: (asked, story, narrator) => {
    const play = playOf(asked, story);
    const end = play.momentAt(play.moves.length);
    return { moves: play.moves.length, en: told(play, "en", narrator), zh: told(play, "zh", narrator),
      amounts: numbers(play.moves.map((move) => move.amount)), held: numbers(play.moves.map((move) => move.held)),
      formulas: play.moves.map((_, i) => narrator.formulas(play.momentAt(i + 1)).at(-1)).map(([t, w]) => fill(t, w)),
      slopes: play.moves.map((_, i) => narrator.formulas(play.momentAt(i + 1)).slice(0, -1).map(([t, w]) => fill(t, w))),
      totals: numbers(story.nodes.map(({ id }) => end.total(id))), used: end.used,
      states: story.nodes.map(({ id }) => end.state(id)), values: numbers(end.story.values) };
  },
  moments: (asked, story) => {
    const play = playOf(asked, story);
    return [0, ...play.moves.keys()].map((_, taken) => look(play.momentAt(taken)));
  },
  changes: ({ pairs, ...asked }, story) => {
    const [play, other] = [playOf(asked, story), playOf(asked, story)];
    return pairs.map(([i, j]) => {
      const [before, after] = [play.momentAt(i), play.momentAt(j)];
      const claimed = play.changes(before, after);
      const [one, two] = [seen(before), seen(after)];
      return { foreign: other.changes(before, after) === undefined, all: claimed === undefined, nodes: [...claimed?.nodes ?? []], edges: [...claimed?.edges ?? []],
        changed: { nodes: apart(one.nodes, two.nodes), edges: apart(one.edges, two.edges) } };
    });
  },
  facts: (_, story, narrator) => ({ leaves: story.leaves.map(({ id }) => id),
    retold: story.nodes.map(({ id }) => story.canRetell(id)), sums: story.sumsOf(story.nodes.map(({ id }) => id).reverse()),
    slopes: story.edges.map((edge) => narrator.slopeText(story, edge)) }),
  spell: ({ numbers: given, digits, texts, piles, counts }) => {
    const all = given.map(parse);
    return { show: all.map((x) => digits.map((d) => show(x, d))), seven: all.map((x) => show(x)), number: all.map((x) => digits.map((d) => number(x, d))), six: all.map((x) => number(x)),
      plain: all.map(plain), typeset: texts.map(typeset), enclosed: texts.map(enclosed), sums: piles.map(sumOf), products: piles.map(productOf), grouped: counts.map(grouped) };
  },
  strides: ({ by, ...asked }, story, narrator) => {
    const play = playOf(asked, story);
    const ends = [0];
    while (ends.at(-1) < play.moves.length) ends.push(play.strideEnd(ends.at(-1), by));
    const back = [play.moves.length];
    while (back.at(-1) > 0) back.push(play.strideStart(back.at(-1), by));
    return { ends, back: back.reverse(), groups: ends.slice(1).map((end, i) => {
      const now = play.momentAt(end, ends[i], by);
      return [[...now.actors], [...now.payees]]; }),
      said: ends.slice(1).map((end, i) => narrator.sentence("en", play.momentAt(end, ends[i], by))),
      formulas: ends.slice(1).map((end, i) => narrator.formulas(play.momentAt(end, ends[i], by)).length) };
  },
  retold: ({ given, after }, story) => {
    const numbersOf = (pairs) => new Map(pairs.map(([id, x]) => [id, Number(x)]));
    const other = story.retold(numbersOf(given)).retold(numbersOf(after));
    return { values: numbers(other.values), totals: numbers(other.totals) };
  },
  read: ({ texts }) => texts.map((text) => { const r = readNumber(text); return r.wrong ?? String(r.number); }),
  link: ({ hash, by = "edge", level = 0, lang = "en" }, own, narrator, data) => {
    const first = { taken: 0, mode: "backprop", by, level, ending: "pile", boxes: new Set(), acts: [], given: new Map(), predict: false, leaf: 0, delta: 0.3, lang };
    return writeLink({ ...first, ...readLink(hash, { own, data, depth: Math.max(...own.nodes.map(({ scope }) => scope.length)) }) }, first);
  },
  questions: (_, story, narrator) => {
    const play = payingBack(story);
    return play.moves.map((move, at) => {
      const now = play.momentAt(at);
      const asked = question(now);
      if (!asked) return null;
      const answers = asked.kind === "amount" ? [1, 1.004, 0.996, 1.006, -1, 0].map((by) => asked.right * by) : asked.choices;
      return { ...asked, at, right: String(asked.right), said: narrator.ui("en", asked.key, asked.words),
        judged: answers.map((x) => { const j = judge(asked, x, now); return [String(x), j.right, j.key, narrator.ui("en", j.key, j.words)]; }) };
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
