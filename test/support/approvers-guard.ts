import { Injectable } from '@nestjs/common';
import type { CanActivate } from '@nestjs/common';
import { AuditService } from 'nest-audit-trail';

/** Lets nobody in, and says why. */
@Injectable()
export class ApproversGuard implements CanActivate {
  constructor(private readonly audit: AuditService) {}

  canActivate(): boolean {
    this.audit.deny('not an approver');
    return false;
  }
}
