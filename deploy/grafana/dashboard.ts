/**
 * The dashboard as Grafana wants it, made of the rows beside it with Grafana's own builders. It stands apart because
 * only this file knows Grafana. `UPDATE_GOLDEN=1 npx vitest run test/deploy` writes s3compact.json anew; a test compares.
 * It decides what panels look like, never what they show.
 */
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import {
  BigValueColorMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  type Panel as GrafanaPanel,
  QueryVariableBuilder,
  RowBuilder,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as NumberBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as LinesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import type { Panel, Query, Row } from './panel.ts';
import { COST } from './row-cost.ts';
import { GLANCE } from './row-glance.ts';
import { KEEPS_UP } from './row-keeps-up.ts';
import { STUCK } from './row-stuck.ts';
import { UNSAFE } from './row-unsafe.ts';
import { WORKERS } from './row-workers.ts';

export const ROWS: readonly Row[] = [GLANCE, KEEPS_UP, COST, STUCK, UNSAFE, WORKERS];

const SOURCE = { type: 'prometheus', uid: '$datasource' };
const SELECTOR = 'namespace=~"$namespace"';
/** Of 24 columns. */
const WIDE = 12;
const NARROW = 4;
const LINES_HEIGHT = 8;
const NUMBER_HEIGHT = 4;

export function buildDashboard(): Dashboard {
  const dashboard = new DashboardBuilder('s3compact')
    .uid('s3compact')
    .description('Does it keep up, what does it cost, what is stuck, is anything unsafe.')
    .tags(['s3compact'])
    .time({ from: 'now-6h', to: 'now' })
    .refresh('1m')
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'))
    .withVariable(
      new QueryVariableBuilder('namespace')
        .label('Namespace')
        .datasource(SOURCE)
        .query('label_values(s3compact_build_info, namespace)')
        .refresh(VariableRefresh.OnTimeRangeChanged)
        .multi(true)
        .includeAll(true)
        // Also what has no namespace: workers outside of Kubernetes.
        .allValue('.*')
        .current({ selected: true, text: 'All', value: '$__all' }),
    );
  let id = 0;
  for (const row of ROWS) {
    dashboard.withRow(new RowBuilder(row.title).id(++id));
    for (const panel of row.panels) dashboard.withPanel(panelOf(panel, ++id));
  }
  return dashboard.build();
}

function panelOf(panel: Panel, id: number): Builder<GrafanaPanel> {
  return panel.kind === 'number' ? numberOf(panel, id) : linesOf(panel, id);
}

function linesOf({ title, description, unit, kind, queries, signed }: Panel, id: number): Builder<GrafanaPanel> {
  const lines = new LinesBuilder()
    .id(id)
    .title(title)
    .description(description)
    .datasource(SOURCE)
    .unit(unit)
    .span(WIDE)
    .height(LINES_HEIGHT)
    .fillOpacity(kind === 'stack' ? 40 : 5)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.Table)
        .placement(LegendPlacement.Right)
        .showLegend(true)
        .calcs(['lastNotNull', 'max']),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
    .targets(queries.map((query, index) => targetOf(query, index)));
  if (signed !== true) lines.min(0);
  return kind === 'stack' ? lines.stacking(new StackingConfigBuilder().mode(StackingMode.Normal)) : lines;
}

function numberOf({ title, description, unit, limits = {}, queries }: Panel, id: number): Builder<GrafanaPanel> {
  const steps: Threshold[] = [{ value: null, color: 'green' }];
  if (limits.orange !== undefined) steps.push({ value: limits.orange, color: 'orange' });
  if (limits.red !== undefined) steps.push({ value: limits.red, color: 'red' });
  return new NumberBuilder()
    .id(id)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .title(title)
    .description(description)
    .datasource(SOURCE)
    .unit(unit)
    .span(NARROW)
    .height(NUMBER_HEIGHT)
    .colorMode(steps.length > 1 ? BigValueColorMode.Background : BigValueColorMode.None)
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps))
    .targets(queries.map((query, index) => targetOf(query, index)));
}

function targetOf({ expr, legend }: Query, index: number): DataqueryBuilder {
  return new DataqueryBuilder()
    .refId(String.fromCharCode('A'.charCodeAt(0) + index))
    .datasource(SOURCE)
    .expr(expr.replaceAll('@', SELECTOR))
    .legendFormat(legend)
    .range();
}
