// What the data store shows of a scheduler (chapter 9): elements without stamps.

const STATES = ["waiting", "preparing", "submitted", "running", "succeeded", "failed", "submit-failed", "expired"];
// That of a family is the first of these that one of its members is in.
const BY_WEIGHT = ["submit-failed", "failed", "expired", "submitted", "running", "preparing", "waiting", "succeeded"];

const iso = (seconds) => new Date(seconds * 1000).toISOString().replace(/\.\d+/, "");
const pad = (number) => String(number).padStart(2, "0");
const by = (elements) => new Map(elements.map((one) => [one.id, one]));

/** The proxies that are shown, by key, with their distance from active ones. */
function window(scheduler) {
  const distances = new Map();
  let front = [...scheduler.proxies.values()].filter((one) => one.active);
  for (let distance = 0; distance <= scheduler.distance; distance += 1) {
    for (const one of front) {
      const key = `${one.cycle}/${one.name}`;
      if (!distances.has(key)) distances.set(key, distance);
    }
    front = front.flatMap((one) => [
      ...one.dependents,
      ...one.prerequisites.map(({ key }) => scheduler.proxies.get(key)),
    ]);
  }
  return distances;
}

export class View {
  /** `contact` has the fields of the contact file; `id` is the identifier of the workflow. */
  constructor(scheduler, contact, { id, runDirectory }) {
    Object.assign(this, { scheduler, definition: scheduler.definition, contact, id, runDirectory });
  }

  /** By type, the elements by identifier. */
  elements() {
    const shown = window(this.scheduler);
    const proxies = [...shown].map(([key, depth]) => ({ ...this.scheduler.proxies.get(key), key, depth }));
    const edges = by(proxies.flatMap((one) => this.#edges(one, shown)));
    const taskProxies = by(proxies.map((one) => this.#taskProxy(one, edges)));
    const jobs = by(proxies.flatMap((one) => one.jobs.map((job) => this.#job(one, job))));
    const familyProxies = this.#familyProxies(taskProxies);
    const tasks = by([...this.definition.tasks.keys()].map((name) => this.#task(name, taskProxies)));
    const families = by([...this.definition.families.keys()].map((name) => this.#family(name, familyProxies)));
    const others = { edges, families, family_proxies: familyProxies, jobs, tasks, task_proxies: taskProxies };
    return { ...others, workflow: by([this.#workflow(others)]) };
  }

  #definitionId = (name) => `${this.id}//$namespace|${name}`;
  #proxyId = (cycle, name) => `${this.id}//${cycle}/${name}`;
  #jobId = (one, job) => `${this.#proxyId(one.cycle, one.name)}/${pad(job.number)}`;

  #edges(one, shown) {
    const sources = new Set(one.prerequisites.map(({ key }) => key));
    return [...sources].filter((source) => shown.has(source)).map((source) => ({
      id: `${this.id}//$edge|${source}|${one.key}`,
      source: `${this.id}//${source}`,
      target: `${this.id}//${one.key}`,
      suicide: false,
      cond: false,
    }));
  }

  #taskProxy(one, edges) {
    const { cycle, name, trigger } = one;
    const id = this.#proxyId(cycle, name);
    const ancestors = this.definition.ancestors(name);
    return {
      id,
      task: this.#definitionId(name),
      state: one.state,
      cycle_point: cycle,
      depth: ancestors.length,
      job_submits: one.jobs.length,
      outputs: Object.fromEntries([...one.outputs].map(([label, output]) => [label, { ...output }])),
      namespace: [...ancestors].reverse().concat(name),
      prerequisites: this.#prerequisites(one),
      jobs: one.jobs.map((job) => this.#jobId(one, job)),
      first_parent: this.#proxyId(cycle, ancestors[0]),
      name,
      is_held: one.held,
      edges: [...edges.values()].filter((edge) => edge.source === id || edge.target === id).map((edge) => edge.id),
      ancestors: [name, ...ancestors],
      flow_nums: one.active || one.jobs.length ? "[1]" : "[]",
      external_triggers: trigger ? { [trigger.message]: { ...trigger } } : {},
      is_queued: false,
      is_runahead: false,
      graph_depth: one.depth,
    };
  }

  #prerequisites({ prerequisites }) {
    if (!prerequisites.length) return [];
    return [
      {
        expression: prerequisites.map((_, number) => `c${number}`).join(" & "),
        conditions: prerequisites.map(({ cycle, name, output, satisfied }, number) => ({
          task_proxy: this.#proxyId(cycle, name),
          expr_alias: `c${number}`,
          req_state: output,
          satisfied,
          message: satisfied ? "satisfied naturally" : "unsatisfied",
        })),
        cycle_points: [...new Set(prerequisites.map(({ cycle }) => cycle))],
        satisfied: prerequisites.every(({ satisfied }) => satisfied),
      },
    ];
  }

  #job(one, job) {
    return {
      id: this.#jobId(one, job),
      submit_num: job.number,
      state: job.state,
      task_proxy: this.#proxyId(one.cycle, one.name),
      submitted_time: iso(job.submitted),
      ...(job.started === undefined ? {} : { started_time: iso(job.started) }),
      ...(job.finished === undefined ? {} : { finished_time: iso(job.finished) }),
      job_id: `${one.key}/${job.number}`,
      job_runner_name: "simulation",
      platform: "localhost",
      job_log_dir: `${this.runDirectory}/log/job/${one.key}/${pad(job.number)}`,
      name: one.name,
      cycle_point: one.cycle,
      messages: [...job.messages],
    };
  }

  #familyProxies(taskProxies) {
    const members = new Map(); // by identifier of the family proxy
    for (const proxy of taskProxies.values())
      for (const family of this.definition.ancestors(proxy.name)) {
        const id = this.#proxyId(proxy.cycle_point, family);
        if (!members.has(id)) members.set(id, { family, cycle: proxy.cycle_point, proxies: [] });
        members.get(id).proxies.push(proxy);
      }
    return new Map([...members].map(([id, of]) => [id, this.#familyProxy(id, of, members)]));
  }

  #familyProxy(id, { family, cycle, proxies }, members) {
    const ancestors = this.definition.ancestors(family);
    const totals = count(proxies);
    return {
      id,
      cycle_point: cycle,
      name: family,
      family: this.#definitionId(family),
      state: BY_WEIGHT.find((state) => totals[state]),
      depth: ancestors.length,
      ...(ancestors.length ? { first_parent: this.#proxyId(cycle, ancestors[0]) } : {}),
      child_tasks: proxies.filter((one) => one.first_parent === id).map((one) => one.id),
      child_families: [...this.definition.families]
        .filter(([name, parent]) => parent === family && members.has(this.#proxyId(cycle, name)))
        .map(([name]) => this.#proxyId(cycle, name)),
      is_held: proxies.some((one) => one.is_held),
      ancestors: [family, ...ancestors],
      states: STATES.filter((state) => totals[state]),
      state_totals: totals,
      is_held_total: proxies.filter((one) => one.is_held).length,
      is_queued: false,
      is_queued_total: 0,
      is_runahead: false,
      is_runahead_total: 0,
      graph_depth: Math.min(...proxies.map((one) => one.graph_depth)),
    };
  }

  #task(name, taskProxies) {
    const { title = "", description = "" } = this.definition.tasks.get(name);
    const ancestors = this.definition.ancestors(name);
    return {
      id: this.#definitionId(name),
      name,
      meta: { title, description, URL: "", user_defined: "{}" },
      mean_elapsed_time: 0,
      depth: ancestors.length,
      proxies: [...taskProxies.values()].filter((one) => one.name === name).map((one) => one.id),
      namespace: [...ancestors].reverse().concat(name),
      parents: [this.#definitionId(ancestors[0])],
      first_parent: this.#definitionId(ancestors[0]),
    };
  }

  #family(name, familyProxies) {
    const { families, tasks } = this.definition;
    const parents = this.definition.ancestors(name).slice(0, 1).map(this.#definitionId);
    return {
      id: this.#definitionId(name),
      name,
      meta: { title: "", description: "", URL: "", user_defined: "{}" },
      depth: this.definition.ancestors(name).length,
      proxies: [...familyProxies.values()].filter((one) => one.name === name).map((one) => one.id),
      parents,
      child_tasks: [...tasks.keys()].filter((task) => this.definition.ancestors(task)[0] === name).map(this.#definitionId),
      child_families: [...families].filter(([, parent]) => parent === name).map(([child]) => this.#definitionId(child)),
      ...(parents.length ? { first_parent: parents[0] } : {}),
    };
  }

  #workflow({ edges, families, family_proxies, jobs, tasks, task_proxies }) {
    const totals = count(task_proxies.values());
    const active = [...this.scheduler.proxies.values()].filter((one) => one.active);
    const points = this.definition.cyclePoints.filter((cycle) => active.some((one) => one.cycle === cycle));
    return {
      id: this.id,
      name: this.contact.CYLC_WORKFLOW_ID,
      status: this.scheduler.status,
      host: this.contact.CYLC_WORKFLOW_HOST,
      port: Number(this.contact.CYLC_WORKFLOW_PORT),
      owner: this.contact.CYLC_WORKFLOW_OWNER,
      tasks: [...tasks.keys()],
      families: [...families.keys()],
      edges: {
        id: this.id,
        edges: [...edges.keys()],
        leaves: [...this.definition.tasks.keys()],
        feet: [...this.definition.families, ...[...this.definition.tasks.keys()].map((name) => [name, this.definition.ancestors(name)[0]])]
          .filter(([, parent]) => parent === "root")
          .map(([name]) => name),
      },
      api_version: Number(this.contact.CYLC_API),
      cylc_version: this.contact.CYLC_VERSION,
      meta: { title: "", description: "", URL: "", user_defined: "{}" },
      oldest_active_cycle_point: points[0] ?? "",
      newest_active_cycle_point: points.at(-1) ?? "",
      reloaded: false,
      run_mode: "simulation",
      cycling_mode: "integer",
      state_totals: totals,
      workflow_log_dir: `${this.runDirectory}/log/scheduler`,
      time_zone_info: { hours: 0, minutes: 0, string_basic: "Z", string_extended: "Z" },
      tree_depth: Math.max(0, ...[...tasks.values()].map(({ depth }) => depth)),
      job_log_names: [],
      ns_def_order: [...this.definition.families.keys(), ...this.definition.tasks.keys()],
      states: STATES.filter((state) => totals[state]),
      task_proxies: [...task_proxies.keys()],
      family_proxies: [...family_proxies.keys()],
      status_msg: this.scheduler.status,
      is_held_total: [...task_proxies.values()].filter((one) => one.is_held).length,
      jobs: [...jobs.keys()],
      pub_port: Number(this.contact.CYLC_WORKFLOW_PUBLISH_PORT),
      broadcasts: JSON.stringify(this.scheduler.broadcasts.value),
      is_queued_total: 0,
      is_runahead_total: 0,
      states_updated: true,
      n_edge_distance: this.scheduler.distance,
    };
  }
}

function count(proxies) {
  const totals = Object.fromEntries(STATES.map((state) => [state, 0]));
  for (const { state } of proxies) totals[state] += 1;
  return totals;
}
