/**
 * Files of `config/` that the program can print: unit, dashboard, rules.
 *
 * Why it exists: whoever has the executable alone has no `config/` folder. What must stay true: the text is that of the
 * file, which tests hold against the sources.
 */
import dashboard from "../../config/grafana-dashboard.json" with { type: "text" };
import unit from "../../config/hsync.service" with { type: "text" };
import rules from "../../config/prometheus-rules.yml" with { type: "text" };

/** Grafana dashboard, JSON. */
export const DASHBOARD: string = dashboard;
/** Recording and alert rules for Prometheus, YAML. */
export const RULES: string = rules;
/** Unit file for systemd. */
export const SYSTEMD_UNIT: string = unit;
