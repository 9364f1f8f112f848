import { Module } from '@nestjs/common';
import type { DynamicModule, Type } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AcceptLanguageResolver, I18nModule } from 'nestjs-i18n';
import { join } from 'node:path';
import { AuthModule } from './auth/auth.module';
import { FilesLocalController } from './files-local.controller';
import { HomeController } from './home.controller';
import { Session } from './session.entity';
import { User } from './user.entity';

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: true }),
    TypeOrmModule.forRootAsync({
      inject: [ConfigService],
      useFactory: (config: ConfigService) => ({
        type: 'postgres',
        url: config.getOrThrow<string>('DATABASE_URL'),
        entities: [User, Session],
        synchronize: true,
        logging: true,
      }),
    }),
    I18nModule.forRoot({
      fallbackLanguage: 'en',
      loaderOptions: { path: join(__dirname, 'i18n') },
      resolvers: [AcceptLanguageResolver],
      logging: false,
    }),
    AuthModule,
  ],
  controllers: [HomeController, FilesLocalController],
})
export class AppModule {
  /** @param audit what records requests; the application is the same without it */
  static with(audit: readonly Type[]): DynamicModule {
    return { module: AppModule, imports: [...audit] };
  }
}
