import type { CompliancePack, ComplianceRule } from '../compliance-rule.js';
import { GDPR } from './gdpr.js';
import { HIPAA } from './hipaa.js';
import { ISO_27001 } from './iso-27001.js';
import { PCI_DSS } from './pci-dss.js';
import { SOX } from './sox.js';

/**
 * The rules of each pack, as they come: a start, that serves its clauses and fulfils none of them. What an application calls
 * its resources only the application knows; where its names are others, it adds rules of its own.
 */
export const COMPLIANCE_PACKS: Readonly<Record<CompliancePack, readonly ComplianceRule[]>> = {
  sox: SOX,
  gdpr: GDPR,
  hipaa: HIPAA,
  'pci-dss': PCI_DSS,
  'iso-27001': ISO_27001,
};
