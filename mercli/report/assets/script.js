"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const table = document.getElementById("clips");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const place = new Map(heads.map((head, i) => [head.dataset.column, i]));
  const numbers = new Map(rows.map((row, i) => [row, i]));
  const panels = new Map();
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

  const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };
  const text = (row, column) => {
    const cell = row.cells[place.get(column)];
    return column === "file" ? cell.querySelector(".name").textContent : cell.textContent;
  };

  // Rows: thousands are slow to lay out, so only the first are, and more as they are come to

  const CHUNK = 200;
  const region = table.parentElement;
  const more = document.getElementById("more");
  let order = rows;
  let fits = () => true;
  let fitting = rows;
  let laidOut = 0;

  const layOut = (n) => {
    const next = fitting.slice(laidOut, n);
    next.forEach(dress);
    body.append(...next.flatMap((row) => panels.has(row) ? [row, panels.get(row)] : [row]));
    laidOut += next.length;
    more.hidden = laidOut === fitting.length;
    more.textContent = `Show more rows (${(fitting.length - laidOut).toLocaleString("en")} are left)`;
  };

  const show = (n = CHUNK) => {
    fitting = order.filter(fits);
    body.replaceChildren();
    laidOut = 0;
    layOut(n);
  };

  more.addEventListener("click", () => layOut(laidOut + CHUNK));
  const reached = new IntersectionObserver(([entry]) => {
    if (entry.isIntersecting && !more.hidden) {
      layOut(laidOut + CHUNK);
      reached.unobserve(more);
      reached.observe(more);
    }
  }, { root: region, rootMargin: "600px 0px" });
  reached.observe(more);
  addEventListener("beforeprint", () => layOut(fitting.length));

  // Sorting

  const keys = new Map();

  const keyOf = (column) => {
    if (!keys.has(column)) {
      const isNumber = heads[place.get(column)].classList.contains("number");
      const key = (row) => {
        const exact = row.cells[place.get(column)].dataset.v;
        return isNumber ? exact === undefined ? null : Number(exact) : text(row, column) || null;
      };
      keys.set(column, new Map(rows.map((row) => [row, key(row)])));
    }
    return keys.get(column);
  };

  const sort = (head) => {
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const key = keyOf(head.dataset.column);
    const compare = head.classList.contains("number") ? (one, other) => one - other : collator.compare;
    order = [...rows].sort((row, next) => {
      const [one, other] = [key.get(row), key.get(next)];
      return one === null || other === null ? (one === null) - (other === null) : sign * compare(one, other);
    });
    for (const other of heads) {
      other.removeAttribute("aria-sort");
    }
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    region.scrollTop = 0;
    show();
  };

  for (const head of heads) {
    const button = make("button", { type: "button", textContent: head.textContent });
    button.addEventListener("click", () => sort(head));
    head.replaceChildren(button);
  }

  // Filtering

  const form = document.getElementById("filters");
  const count = document.getElementById("count");
  const search = document.getElementById("search");
  const least = document.getElementById("least");
  const selects = [...form.querySelectorAll("select")];
  const sought = new Map(rows.map((row) => [row, `${text(row, "file")}\n${text(row, "error")}`.toLowerCase()]));

  const filter = () => {
    const wanted = search.value.trim().toLowerCase();
    const choices = selects.filter((select) => select.value).map((select) => [place.get(select.dataset.column), select.value]);
    const confidence = place.get("confidence");
    const bar = Number(least.value) || 0;
    fits = (row) => sought.get(row).includes(wanted)
      && choices.every(([column, value]) => row.cells[column].textContent === value)
      && (bar <= 0 || Number(row.cells[confidence].dataset.v ?? -1) >= bar);
    region.scrollTop = 0;
    show();
    count.textContent = `${fitting.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows are shown.`;
  };

  let due;
  form.addEventListener("input", () => {
    clearTimeout(due);
    due = setTimeout(filter, 80);
  });
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());

  // Panels

  const facts = (row, i) => {
    const [, seen, looked, bundle] = data.rows[i];
    const told = [
      ["file", text(row, "file")],
      ["status", text(row, "status")],
      ["error", text(row, "error")],
      ["frames", looked === null ? "" : `${seen} of ${looked} show the face`],
      ["bundle", bundle ?? data.bundle],
    ];
    const list = make("dl");
    for (const [name, said] of told.filter(([, said]) => said)) {
      list.append(make("div", {}, make("dt", { textContent: name }), make("dd", { className: "cell", textContent: said })));
    }
    return list;
  };

  const probabilities = (i) => {
    const [said] = data.rows[i];
    if (said.every((of) => of === null)) {
      return make("p", { textContent: "There is no answer, so no probabilities." });
    }
    const titles = ["class", ...data.said_by];
    const head = make("tr", {}, ...titles.map((title) => make("th", { scope: "col", textContent: title })));
    const lines = data.classes.map((name, k) => make(
      "tr",
      {},
      make("th", { scope: "row", className: `e-${name}`, textContent: name }),
      ...said.map((of) => make("td", {
        textContent: of === null || of[k] === null ? "—" : String(of[k]),
        className: of !== null && of[k] === Math.max(...of) ? "likeliest" : "",
      })),
    ));
    return make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines));
  };

  const toggle = (row, i, button) => {
    const isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) {
      panels.get(row).remove();
      panels.delete(row);
      return;
    }
    const left = make("div", {}, make("h3", { textContent: "Probabilities" }), probabilities(i), facts(row, i));
    const inside = make("div", { className: "inside" }, left);
    const cell = make("td", { colSpan: heads.length }, inside);
    const panel = make("tr", { className: "panel" }, cell);
    panels.set(row, panel);
    row.after(panel);
    // The table may be wider than what is seen of it; the panel is as wide as that.
    inside.style.width = `${region.clientWidth}px`;
    if (data.timelines) {
      inside.append(timeline(i, text(row, "file")));
    }
  };

  const dress = (row) => {
    const name = row.cells[0].querySelector("span.name");
    if (name !== null) {
      const button = make("button", { type: "button", className: "name", textContent: name.textContent });
      button.setAttribute("aria-expanded", "false");
      button.addEventListener("click", () => toggle(row, numbers.get(row), button));
      name.replaceWith(button);
    }
  };

  // Timelines

  const KINDS = data.kinds ?? [];

  const unpack = (packed) => {
    const bytes = Uint8Array.from(atob(packed.bytes), (character) => character.charCodeAt(0));
    const width = data.classes.length + 1;
    const steps = [];
    for (let at = 0; at < bytes.length; at += KINDS.length * width) {
      const start = packed.start + steps.length * packed.step;
      steps.push({
        start,
        end: Math.min(start + packed.step, packed.end),
        of: KINDS.map((_, k) => bytes.subarray(at + k * width, at + (k + 1) * width)),
      });
    }
    return steps;
  };

  const values = (steps) => steps.flatMap(({ start, end, of }) => of.flatMap((said, k) => {
    let bottom = 0;
    return said[0] === data.missing ? [] : data.classes.map((emotion, c) => {
      const probability = said[c + 1] / data.scale;
      bottom += probability;
      return {
        of: KINDS[k], emotion, probability, bottom: bottom - probability, top: Math.min(1, bottom), start_s: start, end_s: end,
      };
    }).filter((value) => value.probability > 0);
  }));

  const spans = (steps, k) => {
    const found = [];
    for (const { start, end, of } of steps) {
      const emotion = data.classes[of[k][0]] ?? "nothing";
      if (found.at(-1)?.emotion === emotion) {
        found.at(-1).end = end;
      } else {
        found.push({ start, end, emotion });
      }
    }
    return found.map((span) => `${span.start}–${span.end} s ${span.emotion}`).join(", ");
  };

  const draw = (chart, steps) => {
    const width = Math.max(140, chart.clientWidth - 90);
    chart.dataset.width = chart.clientWidth;
    const spec = structuredClone(data.spec);
    spec.spec.width = width;
    spec.spec.height = 64;
    const options = { ast: true, renderer: "svg", actions: false, defaultStyle: false, tooltip: false, config: data.config };
    return vegaEmbed(chart.firstElementChild, { ...spec, datasets: { [data.spec_data]: values(steps) } }, options).then(() => {
      // It is one image: what Vega says of its parts would be read out mark by mark.
      for (const part of chart.querySelectorAll("[role]")) {
        for (const name of part.getAttributeNames().filter((name) => name === "role" || name.startsWith("aria-"))) {
          part.removeAttribute(name);
        }
      }
    });
  };

  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (Math.abs(target.clientWidth - Number(target.dataset.width ?? target.clientWidth)) > 4) {
        draw(target, target.steps);
      }
    }
  });

  const timeline = (i, name) => {
    const first = data.files[i];
    const packed = data.timelines[first];
    const box = make("div", {}, make("h3", { textContent: "Second by second" }));
    if (packed === undefined) {
      box.append(make("p", { textContent: "There is no timeline of this file." }));
      return box;
    }
    const steps = unpack(packed);
    if (first !== i) {
      box.append(make("p", { className: "note", textContent: "Of the file’s main face, and not of this one." }));
    }
    if (packed.step > 1) {
      box.append(make("p", { className: "note", textContent: `Each step is the mean of ${packed.step} seconds.` }));
    }
    // Vega says what the element is that it draws into; what is around that is ours to name.
    const chart = make("div", { className: "chart", steps }, make("div"));
    chart.setAttribute("role", "img");
    chart.setAttribute("aria-label", `Timeline of ${name}: the probability of each emotion; the likeliest are told below`);
    box.append(chart);
    const told = make("dl", { className: "spans" });
    KINDS.forEach((kind, k) => told.append(
      make("div", {}, make("dt", { textContent: kind }), make("dd", { textContent: spans(steps, k) })),
    ));
    box.append(make("p", { className: "note", textContent: "The likeliest emotion in which seconds:" }), told);
    requestAnimationFrame(() => draw(chart, steps).then(() => resized.observe(chart)));
    return box;
  };

  addEventListener("resize", () => {
    for (const panel of panels.values()) {
      panel.querySelector(".inside").style.width = `${region.clientWidth}px`;
    }
  });

  for (const element of document.querySelectorAll(".script")) {
    element.hidden = false;
  }
  document.querySelector(".plain-page").hidden = true;
  filter();
})();
