import { Injectable, UnprocessableEntityException } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { InjectRepository } from '@nestjs/typeorm';
import { I18nContext } from 'nestjs-i18n';
import { scryptSync, timingSafeEqual } from 'node:crypto';
import type { Repository } from 'typeorm';
import { Session } from '../session.entity';
import { User } from '../user.entity';
import type { LoginDto, RegisterDto, UpdateDto } from './auth.dto';
import type { JwtUser } from './jwt.strategy';

const hash = (password: string) => scryptSync(password, 'salt', 32, { N: 1024 });

@Injectable()
export class AuthService {
  constructor(
    @InjectRepository(User) private readonly users: Repository<User>,
    @InjectRepository(Session) private readonly sessions: Repository<Session>,
    private readonly jwt: JwtService,
  ) {}

  async register({ email, password, firstName = '' }: RegisterDto) {
    const saved = await this.users.save({ email, firstName, password: hash(password).toString('hex') });
    return shown(saved);
  }

  async login({ email, password }: LoginDto) {
    const user = await this.users.findOneBy({ email });
    const isRight = user && timingSafeEqual(hash(password), Buffer.from(user.password, 'hex'));
    if (!isRight) {
      const password = I18nContext.current()?.t('auth.wrong') ?? 'wrong';
      throw new UnprocessableEntityException({ status: 422, errors: { password } });
    }
    const session = await this.sessions.save({ user });
    const token = this.jwt.sign({ id: user.id, role: { name: user.role }, sessionId: session.id });
    return { token, user: shown(user) };
  }

  async me({ id }: JwtUser) {
    return shown(await this.users.findOneByOrFail({ id }));
  }

  async update({ id }: JwtUser, { firstName, password }: UpdateDto) {
    const changes = {
      ...(firstName && { firstName }),
      ...(password && { password: hash(password).toString('hex') }),
    };
    await this.users.update(id, changes);
    return shown(await this.users.findOneByOrFail({ id }));
  }

  async remove({ id }: JwtUser) {
    await this.users.delete(id);
  }

  async logout({ sessionId }: JwtUser) {
    await this.sessions.delete(sessionId);
  }
}

function shown({ id, email, firstName, role }: User) {
  return { id, email, firstName, role };
}
