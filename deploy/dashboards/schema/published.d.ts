// What of Grafana's published types the dashboards use. generate.mjs makes a JSON schema of each.
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as dashboard from '@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as text from '@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

export type Dashboard = dashboard.Dashboard;
export type Panel = dashboard.Panel;
export type Row = dashboard.RowPanel;

export type BargaugeOptions = bargauge.Options;
export type HeatmapOptions = heatmap.Options;
export type HeatmapField = heatmap.FieldConfig;
export type StatOptions = stat.Options;
export type TextOptions = text.Options;
export type TimeseriesOptions = timeseries.Options;
export type TimeseriesField = timeseries.FieldConfig;
