// The routes of alert rules and alerts.
import {
  AlertPage,
  AlertQuery,
  AlertRule,
  AlertRulePage,
  AlertRuleTest,
  AlertWithDeliveries,
  CreateAlertRule,
  UpdateAlertRule,
} from '../../../../api/alerts.ts';
import { Done, IdParams } from '../../../../api/fields.ts';
import { PageQuery } from '../../../../api/lists.ts';
import type { ChannelOptions } from '../../../alerts/channels/channel.ts';
import { listAlerts, readAlert } from '../../../alerts/list.ts';
import { createRule, deleteRule, listRules, readRule, testRule, updateRule } from '../../../alerts/rules.ts';
import type { ApiServer } from '../app.ts';
import type { ApiServices } from '../routes.ts';

const tags = ['alerts'];

/** What these routes need besides. */
export interface AlertServices extends Pick<ApiServices, 'db' | 'now'> {
  /** How notices are sent, `channels` of the alerting. */
  readonly alertChannels: ChannelOptions;
}

/** Registers them. */
export function alertRuleRoutes(app: ApiServer, services: AlertServices): void {
  const { db, now, alertChannels } = services;
  app.post(
    '/api/v2/alert-rules',
    {
      config: { action: 'alert-rule.create' },
      schema: { tags, summary: 'Make an alert rule', body: CreateAlertRule, response: { 201: AlertRule } },
    },
    async ({ principal, body }, reply) =>
      reply.code(201).send(await createRule(db, now(), principal, body, alertChannels)),
  );
  app.get(
    '/api/v2/alert-rules',
    {
      config: { action: 'alert-rule.read' },
      schema: { tags, summary: 'Alert rules, newest first', querystring: PageQuery, response: { 200: AlertRulePage } },
    },
    ({ principal, query }) => listRules(db, principal, query),
  );
  app.get(
    '/api/v2/alert-rules/:id',
    {
      config: { action: 'alert-rule.read' },
      schema: { tags, summary: 'One alert rule, without secrets', params: IdParams, response: { 200: AlertRule } },
    },
    ({ principal, params }) => readRule(db, principal, params.id),
  );
  app.patch(
    '/api/v2/alert-rules/:id',
    {
      config: { action: 'alert-rule.update' },
      schema: {
        tags,
        summary: 'Change what is given of an alert rule',
        params: IdParams,
        body: UpdateAlertRule,
        response: { 200: AlertRule },
      },
    },
    ({ principal, params, body }) => updateRule(db, now(), principal, params.id, body, alertChannels),
  );
  app.delete(
    '/api/v2/alert-rules/:id',
    {
      config: { action: 'alert-rule.delete' },
      schema: {
        tags,
        summary: 'Delete an alert rule with its alerts',
        params: IdParams,
        response: { 200: Done },
      },
    },
    async ({ principal, params }) => {
      await deleteRule(db, now(), principal, params.id);
      return { success: true as const };
    },
  );
  app.post(
    '/api/v2/alert-rules/:id/test',
    {
      config: { action: 'alert-rule.test' },
      schema: {
        tags,
        summary: 'Send a test notice through every channel',
        params: IdParams,
        response: { 200: AlertRuleTest },
      },
    },
    ({ principal, params }) => testRule(db, now(), principal, params.id, alertChannels),
  );
  alertRoutes(app, services);
}

function alertRoutes(app: ApiServer, { db }: AlertServices): void {
  app.get(
    '/api/v2/alerts',
    {
      config: { action: 'alert.read' },
      schema: { tags, summary: 'Alerts, newest first', querystring: AlertQuery, response: { 200: AlertPage } },
    },
    ({ principal, query }) => listAlerts(db, principal, query),
  );
  app.get(
    '/api/v2/alerts/:id',
    {
      config: { action: 'alert.read' },
      schema: {
        tags,
        summary: 'One alert with its newest deliveries',
        params: IdParams,
        response: { 200: AlertWithDeliveries },
      },
    },
    ({ principal, params }) => readAlert(db, principal, params.id),
  );
}
