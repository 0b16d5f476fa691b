interface Point { x: number; y: number }

const W = 158;
const H = 104;
const BIG = 9;
const SMALL = 6.5;
const GAP = 6;

function bond(a: Point, b: Point, ra: number, rb: number): string {
  const length = Math.hypot(b.x - a.x, b.y - a.y);
  const ux = (b.x - a.x) / length;
  const uy = (b.y - a.y) / length;
  return `M${a.x + ux * (ra + GAP)} ${a.y + uy * (ra + GAP)}L${b.x - ux * (rb + GAP)} ${b.y - uy * (rb + GAP)}`;
}

/** A choice drawn as what it is: one nucleus per agent, bonded (LOOK §10). */
export function Molecule({ people, index }: { people: number; index: number }) {
  const atoms: Point[] = [];
  const bonds: [number, number][] = [];
  if (people <= 1) {
    atoms.push({ x: 16, y: 56 });
  } else if (index === 0) {
    atoms.push({ x: 70, y: 26 });
    const leads = people > 3 ? 2 : people - 1;
    const rest = people - 1 - leads;
    for (let at = 0; at < leads; at += 1) {
      atoms.push({ x: leads === 1 ? 70 : 32 + (at * 76) / (leads - 1), y: 54 });
      bonds.push([0, at + 1]);
    }
    for (let at = 0; at < Math.min(rest, 6); at += 1) {
      const lead = at % leads;
      const of = Math.ceil((Math.min(rest, 6) - lead) / leads);
      const nth = Math.floor(at / leads);
      const x = (atoms[lead + 1]?.x ?? 70) + (of === 1 ? 0 : -22 + (nth * 44) / (of - 1));
      atoms.push({ x, y: 86 });
      bonds.push([lead + 1, atoms.length - 1]);
    }
  } else {
    atoms.push({ x: 16, y: 56 });
    const ring = Math.min(people - 1, 5);
    const spots: Point[] = [{ x: 67, y: 29 }, { x: 67, y: 83 }, { x: 118, y: 56 }, { x: 142, y: 29 }, { x: 142, y: 83 }];
    for (let at = 0; at < ring; at += 1) {
      const spot = spots[at];
      if (spot) atoms.push(spot);
    }
    if (ring >= 1) bonds.push([0, 1]);
    if (ring >= 2) bonds.push([0, 2]);
    if (ring >= 3) bonds.push([1, 3], [2, 3]);
    if (ring >= 4) bonds.push([3, 4]);
    if (ring >= 5) bonds.push([3, 5]);
  }
  return (
    <svg className="molecule" width={W} height={H} viewBox={`0 0 ${W} ${H}`} aria-hidden="true">
      {bonds.map(([a, b]) => {
        const from = atoms[a];
        const to = atoms[b];
        return from && to ? <path key={`${a}-${b}`} d={bond(from, to, a === 0 ? BIG : SMALL, SMALL)} stroke="var(--bond)" strokeWidth="2" strokeLinecap="round" /> : null;
      })}
      {atoms.map((atom, at) => <circle key={at} cx={atom.x} cy={atom.y} r={at === 0 ? BIG : SMALL} fill={at === 0 ? 'var(--accent)' : 'var(--text-2)'} />)}
    </svg>
  );
}
